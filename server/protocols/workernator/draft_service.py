"""The typed draft: jobs by type, and what they print line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from server.errors import InvalidInput, NotFound
from server.protocols.workernator.errors import CannotStart, answered
from server.protocols.workernator.lines import Line, LineCutter
from server.protocols.workernator.messages import received
from server.protocols.workernator.outputs import LINE_STREAMS
from server.protocols.workernator.views import draft_job, timestamp
from server.wire.workernator import draft_pb2
from server.wire.workernator.draft_grpc import ServiceBase

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from grpclib.server import Stream

    from server.coordinator import Coordinator
    from server.coordinator.results import JobSnapshot
    from server.model import Job
    from server.protocols.workernator.calls import Calls
    from server.protocols.workernator.final_service import Authorize
    from server.protocols.workernator.outputs import Outputs


TAGS = {"noop": "NOOP", "fib": "FIB", "eval": "EVAL", "wait": "WAIT"}
"""What stands before each line of a typed job; of others, lines are told as they are."""


class DraftService(ServiceBase):
    """Serves ``seanhagen.workernator.Service``."""

    def __init__(
        self, coordinator: Coordinator, calls: Calls, outputs: Outputs, authorize: Authorize
    ) -> None:
        self._coordinator = coordinator
        self._calls = calls
        self._outputs = outputs
        self._authorize = authorize

    @answered
    async def Start(self, stream: Stream[draft_pb2.JobStartRequest, draft_pb2.Job]) -> None:
        caller = self._authorize(stream, "start")
        job_type, params = job_of(await received(stream))
        try:
            begun = await self._calls.start(caller, job_type, msgspec.json.encode(params))
        except CannotStart as error:
            raise InvalidInput(error.message) from None
        await stream.send_message(draft_job(begun))

    @answered
    async def Stop(self, stream: Stream[draft_pb2.JobStopRequest, draft_pb2.Job]) -> None:
        caller = self._authorize(stream, "stop")
        request = await received(stream)
        await stream.send_message(draft_job(await self._calls.stop(caller, request.id)))

    @answered
    async def Status(self, stream: Stream[draft_pb2.JobStatusRequest, draft_pb2.Job]) -> None:
        caller = self._authorize(stream, "status")
        request = await received(stream)
        await stream.send_message(draft_job(await self._calls.find(caller, request.id)))

    @answered
    async def Tail(
        self, stream: Stream[draft_pb2.TailJobRequest, draft_pb2.TailJobResponse]
    ) -> None:
        caller = self._authorize(stream, "output")
        request = await received(stream)
        found = await self._calls.find(caller, request.id)
        await stream.send_initial_metadata()
        async for line in self._lines(found):
            await stream.send_message(
                draft_pb2.TailJobResponse(line=line.text, timestamp=timestamp(line.at))
            )

    async def _lines(self, found: JobSnapshot) -> AsyncIterator[Line]:
        """What became of the job, what it prints, and at its end what it gives."""
        tag = TAGS.get(found.job_class.type)
        if tag is not None and found.attempt is not None:
            runner = f" on {found.runner.name}" if found.runner else ""
            yield Line(f"[JOB] started{runner}", found.attempt.started_at)
        cutters = {stream: LineCutter() for stream in LINE_STREAMS}
        async for piece in self._outputs.follow(found.job, LINE_STREAMS):
            for line in cutters[piece.stream].feed(piece.data, piece.at):
                yield _tagged(line, tag)
        for cutter in cutters.values():
            for line in cutter.end():
                yield _tagged(line, tag)
        if tag is not None:
            for line in await self._last_lines(found.job):
                yield line

    async def _last_lines(self, job: Job) -> list[Line]:
        ended = await self._coordinator.job_with_attempt(job.uuid)
        if ended is None:
            raise NotFound("the job was deleted meanwhile")
        outcome, at = ended.outcome, ended.job.since
        lines = []
        if outcome is not None and outcome.result not in (b"", b"null"):
            lines.append(Line(f"[RESULT] {outcome.result.decode('utf-8', 'replace')}", at))
        word = "finished" if ended.job.state == "completed" else ended.job.state
        message = f": {outcome.message}" if outcome is not None and outcome.message else ""
        return [*lines, Line(f"[JOB] {word}{message}", at)]


def _tagged(line: Line, tag: str | None) -> Line:
    return line if tag is None else line._replace(text=f"[{tag}] {line.text}")


def job_of(request: draft_pb2.JobStartRequest) -> tuple[str, dict[str, Any]]:
    """Type and parameters of the job that is asked for.

    Raises:
        InvalidInput: the arguments are those of another type, or missing.
    """
    given = request.args.WhichOneof("data")
    match request.job_type:
        case draft_pb2.Noop:
            _require(given, ("noop", None))
            return "noop", {}
        case draft_pb2.Fibonacci:
            _require(given, ("fib",))
            return "fib", {"n": request.args.fib.number}
        case draft_pb2.ExpressionEval:
            _require(given, ("expr",))
            expr = request.args.expr
            return "eval", {"expression": expr.expression, "args": _numbers(dict(expr.args))}
        case draft_pb2.WaitSend:
            _require(given, ("wait",))
            wait = request.args.wait
            url = {"url": wait.url_to_post} if wait.url_to_post else {}
            return "wait", {"seconds": wait.wait_seconds, **url}
        case _:
            raise InvalidInput(f"there is no job type {request.job_type}")


def _require(given: str | None, wanted: tuple[str | None, ...]) -> None:
    if given not in wanted:
        raise InvalidInput(f"args.{wanted[0]} is needed for this type, not {given or 'nothing'}")


def _numbers(values: dict[str, float]) -> dict[str, float]:
    """Floats of 32 bits as the shortest numbers that read as the same: 0.1, not 0.10000000149."""
    return {name: float(f"{value:.7g}") for name, value in values.items()}

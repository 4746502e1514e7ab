"""A Workernator server over gRPC with mutual TLS: ours, or the original.

The original knows commands alone; typed jobs are spoken of in the draft contract, which it lacks.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.protocol import H2Protocol

from server.wire.workernator import draft_pb2, final_pb2
from server.wire.workernator.draft_grpc import ServiceStub as DraftStub
from server.wire.workernator.final_grpc import ServiceStub as FinalStub
from traffic_tui.client.base import ClientError, Unreachable
from traffic_tui.client.trust import tls_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator

    from google.protobuf.timestamp_pb2 import Timestamp

    from traffic_tui.client.trust import Trust

DEFAULT_PORT = 25555
CALL_SECONDS = 60.0
"""A start waits for a runner, a stop for the end of the job."""
GOODBYE_SECONDS = 1.0
NO_TYPED_JOBS = (Status.UNIMPLEMENTED, Status.FAILED_PRECONDITION)
"""The server has no typed jobs, or this one is a command."""

UNKNOWN = "Unknown"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GrpcJob:
    """A job as either contract tells of it. Times are epoch milliseconds, 0: not yet."""

    id: str
    kind: str
    """``command``, or the type of a typed job."""
    arguments: tuple[tuple[str, str], ...]
    """By name."""
    status: str
    """``Running``, ``Failed``, ``Finished``, ``Stopped`` or ``Unknown``."""
    error: str
    started_at: int
    ended_at: int


@dataclass(frozen=True, slots=True)
class GrpcLine:
    """A line of what a typed job printed."""

    text: str
    at: int


class _Connection(H2Protocol):
    """Says when its socket is closed, which with TLS takes a word of the other side."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.ended = asyncio.Event()

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.ended.set()


class _Channel(Channel):
    """Can be left with nothing open behind."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._made: list[_Connection] = []

    def _protocol_factory(self) -> H2Protocol:
        made = super()._protocol_factory()
        self._made.append(_Connection(made.handler, made.config, made.h2_config))
        return self._made[-1]

    async def end(self) -> None:
        """Close, and give the goodbyes a moment."""
        self.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                for connection in self._made:
                    if hasattr(connection, "connection"):  # else it was never made
                        await connection.ended.wait()


class WorkernatorClient:
    """Calls one server. To be closed.

    Args:
        url: ``grpcs://HOST:PORT``.
        trust: the authority, and the certificate that says who calls.

    Raises:
        ClientError: the URL makes no sense, or a file is missing.
    """

    def __init__(self, url: str, trust: Trust) -> None:
        self._url = url
        host, port = _place(url)
        if trust.certificate is None:
            raise ClientError(
                "a Workernator server wants to see a certificate: name it with --cert and --key; "
                "`traffic-tui certs issue` makes one",
                code="no_certificate",
                status=0,
            )
        context = tls_context(trust)
        context.set_alpn_protocols(["h2"])
        self._channel = _Channel(host, port, ssl=context)
        self._final = FinalStub(self._channel)
        self._draft = DraftStub(self._channel)

    async def close(self) -> None:
        await self._channel.end()

    async def start_command(self, argv: list[str]) -> GrpcJob:
        """Start a program; returns once it runs."""
        request = final_pb2.JobStartRequest(command=argv[0], arguments=argv[1:])
        return _of_final(await self._answer(self._final.Start(request, timeout=CALL_SECONDS)))

    async def start_typed(self, request: draft_pb2.JobStartRequest) -> GrpcJob:
        """Start a typed job; returns once it runs."""
        try:
            call = self._draft.Start(request, timeout=CALL_SECONDS)
            return _of_draft(await self._answer(call))
        except ClientError as error:
            if error.code == Status.UNIMPLEMENTED.name:
                raise ClientError(
                    f"{self._url} starts programs only: traffic-tui jobs start command -- ARGV...",
                    code=error.code,
                    status=0,
                ) from None
            raise

    async def status(self, job_id: str) -> GrpcJob:
        """Where a job stands."""
        try:
            request = draft_pb2.JobStatusRequest(id=job_id)
            return _of_draft(await self._answer(self._draft.Status(request, timeout=CALL_SECONDS)))
        except ClientError as error:
            if error.code not in {status.name for status in NO_TYPED_JOBS}:
                raise
        final = final_pb2.JobStatusRequest(id=job_id)
        return _of_final(await self._answer(self._final.Status(final, timeout=CALL_SECONDS)))

    async def stop(self, job_id: str) -> GrpcJob:
        """Have a job stopped; returns once it has ended."""
        request = final_pb2.JobStopRequest(id=job_id)
        return _of_final(await self._answer(self._final.Stop(request, timeout=CALL_SECONDS)))

    async def output(self, job_id: str) -> AsyncIterator[bytes]:
        """What a job writes to stdout, from its first byte to its end."""
        with self._told():
            async with self._final.Output.open() as stream:
                await stream.send_message(final_pb2.OutputJobRequest(id=job_id), end=True)
                async for part in stream:
                    yield part.data

    async def lines(self, job_id: str) -> AsyncIterator[GrpcLine]:
        """What a typed job prints, to its end."""
        with self._told():
            async with self._draft.Tail.open() as stream:
                await stream.send_message(draft_pb2.TailJobRequest(id=job_id), end=True)
                async for line in stream:
                    yield GrpcLine(line.line, _milliseconds(line.timestamp))

    async def _answer(self, call: Awaitable[T]) -> T:
        with self._told():
            return await call

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Everything that goes wrong, in words."""
        try:
            yield
        except GRPCError as error:
            raise ClientError(
                error.message or error.status.name.lower().replace("_", " "),
                code=error.status.name,
                status=0,
            ) from None
        except (TimeoutError, StreamTerminatedError, OSError) as error:
            why = str(error) or type(error).__name__
            raise Unreachable(f"no Workernator server answers at {self._url}: {why}") from None


def _place(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.path not in ("", "/") or parts.username:
        raise ClientError(
            f"{url[:100]!r} is no Workernator server's URL, such as grpcs://localhost:25555",
            code="bad_url",
            status=0,
        )
    return host, port or DEFAULT_PORT


def _of_final(job: final_pb2.Job) -> GrpcJob:
    arguments = (("command", job.command), ("arguments", " ".join(job.args)))
    return GrpcJob(
        job.id,
        "command",
        tuple(pair for pair in arguments if pair[1]),
        _status(final_pb2.JobStatus.items(), job.status),
        job.error_msg,
        _milliseconds(job.started_at),
        _milliseconds(job.ended_at),
    )


_KINDS = {
    draft_pb2.Noop: "noop",
    draft_pb2.Fibonacci: "fib",
    draft_pb2.ExpressionEval: "eval",
    draft_pb2.WaitSend: "wait",
}


def _of_draft(job: draft_pb2.Job) -> GrpcJob:
    return GrpcJob(
        job.id,
        _KINDS.get(job.type, "unknown"),
        tuple(_draft_arguments(job.args)),
        _status(draft_pb2.JobStatus.items(), job.status),
        "",
        _milliseconds(job.started_at),
        _milliseconds(job.ended_at),
    )


def _status(known: Iterable[tuple[str, int]], number: int) -> str:
    """The name of a status; a server may say one that neither contract has."""
    return {value: name for name, value in known}.get(number, UNKNOWN)


def _draft_arguments(args: draft_pb2.Arguments) -> Iterator[tuple[str, str]]:
    match args.WhichOneof("data"):
        case "fib":
            yield "number", str(args.fib.number)
        case "expr":
            yield "expression", args.expr.expression
            for name, value in sorted(args.expr.args.items()):
                yield name, f"{value:g}"
        case "wait":
            yield "seconds", str(args.wait.wait_seconds)
            if args.wait.url_to_post:
                yield "url", args.wait.url_to_post


def _milliseconds(at: Timestamp) -> int:
    return at.seconds * 1000 + at.nanos // 1_000_000


def typed_request(job_type: str, params: dict[str, Any]) -> draft_pb2.JobStartRequest:
    """What asks for a typed job.

    Raises:
        ClientError: the contract has no such type, or cannot hold these parameters.
    """
    try:
        return _typed_request(job_type, params)
    except ValueError as error:
        raise ClientError(f"this cannot be sent: {error}", code="invalid", status=0) from None


def _typed_request(job_type: str, params: dict[str, Any]) -> draft_pb2.JobStartRequest:
    kinds = {kind: number for number, kind in _KINDS.items()}
    match job_type:
        case "noop":
            args = draft_pb2.Arguments(noop=draft_pb2.NoopArgs())
        case "fib":
            args = draft_pb2.Arguments(fib=draft_pb2.FibonacciArgs(number=params["n"]))
        case "eval":
            args = draft_pb2.Arguments(
                expr=draft_pb2.ExpressionEvalArgs(
                    expression=params["expression"], args=params.get("args", {})
                )
            )
        case "wait":
            seconds = params["seconds"]
            if seconds != int(seconds):
                raise ValueError("over gRPC a job waits whole seconds")
            args = draft_pb2.Arguments(
                wait=draft_pb2.WaitThenPostHTTPArgs(
                    wait_seconds=int(seconds), url_to_post=params.get("url", "")
                )
            )
        case _:
            raise ValueError(
                f"over gRPC there are jobs of the types command, {', '.join(kinds)}; not {job_type}"
            )
    return draft_pb2.JobStartRequest(job_type=kinds[job_type], args=args)

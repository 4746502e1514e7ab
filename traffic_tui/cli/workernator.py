"""``jobs start|status|tail|stop`` on a Workernator server: ``--url grpcs://HOST:PORT``."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from traffic_tui.cli.failures import EXIT_FAILED, CommandFailed, WrongUsage
from traffic_tui.cli.job_log import date_and_time
from traffic_tui.cli.tables import Fact, span
from traffic_tui.state.formats import duration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from traffic_tui.cli.command import Call
    from traffic_tui.cli.submission import Order, SubmitOptions
    from traffic_tui.client.workernator import GrpcJob, WorkernatorClient

_ROLES = {"Finished": "good", "Failed": "bad", "Running": "active", "Stopped": "warn"}


@contextlib.asynccontextmanager
async def calling(call: Call) -> AsyncIterator[WorkernatorClient]:
    """The server that ``--url`` names."""
    from traffic_tui.client.trust import Trust
    from traffic_tui.client.workernator import WorkernatorClient

    where = call.connection.where
    trust = Trust(where.ca, where.certificate, where.certificate_key)
    client = WorkernatorClient(where.url or "", trust)
    try:
        yield client
    finally:
        await client.close()


async def start(call: Call, order: Order, options: SubmitOptions) -> None:
    """Start a job, and stay with it where that was asked for."""
    from traffic_tui.client.workernator import typed_request

    _refuse_options(options)
    params = json.loads(order.params)
    async with calling(call) as client:
        if order.type == "command":
            job = await client.start_command(params["argv"])
        else:
            job = await client.start_typed(typed_request(order.type, params))
        if options.follow:
            await _tell_output(call, client, job)
        if options.follow or options.wait:
            await _exit_by_outcome(call, client, job)
        elif call.printer.is_json:
            call.printer.document(job)
        elif call.printer.format == "name":
            call.printer.names([job.id])
        else:
            call.printer.line(f"{job.kind} job started, ID: {job.id}")
            for command in ("status", "tail"):
                call.printer.say(f"  traffic-tui jobs {command} {job.id} {_flags(call)}")


def _refuse_options(options: SubmitOptions) -> None:
    """Nothing that was asked for is left out in silence."""
    given = {
        "--priority": options.priority,
        "--require": options.require,
        "--run-at": options.run_at,
        "--timeout": options.timeout,
        "--max-attempts": options.max_attempts,
        "--cache-key": options.cache_key,
        "--unique-key": options.unique_key,
        "--unique-for": options.unique_for,
        "--trace-parent": options.trace_parent,
        "--correlation": options.correlation,
        "--idempotency-key": options.idempotency_key,
        "--reason": options.reason,
        "--queue": options.queue if options.queue != "default" else "",
    }
    refused = [name for name, value in given.items() if value]
    if refused:
        raise WrongUsage(f"a Workernator server knows nothing of {', '.join(refused)}")


def _flags(call: Call) -> str:
    where = call.connection.where
    flags = {
        "--url": where.url,
        "--ca": where.ca,
        "--cert": where.certificate,
        "--key": where.certificate_key,
    }
    return " ".join(f"{name} {value}" for name, value in flags.items() if value)


async def status(call: Call, job_id: str) -> None:
    """A block about one job."""
    async with calling(call) as client:
        job = await client.status(job_id)
    call.printer.facts(job, status_facts(job), job.id)


def status_facts(job: GrpcJob) -> list[Fact]:
    """What is known of a job, a line each."""
    took = duration(job.ended_at - job.started_at) if job.ended_at and job.started_at else ""
    facts = [
        Fact("ID", span(job.id)),
        Fact("name", span(job.kind)),
        *(Fact(name, span(value)) for name, value in job.arguments),
        Fact("status", span(job.status, _ROLES.get(job.status, "plain"))),  # type: ignore[arg-type]
        Fact("started", span(date_and_time(job.started_at) if job.started_at else "")),
        Fact("finished", span(date_and_time(job.ended_at) if job.ended_at else "")),
        Fact("duration", span(took)),
        Fact("error", span(job.error, "bad")),
    ]
    return [fact for fact in facts if fact.value.text != "-"]


async def tail(call: Call, job_id: str, refused: Sequence[str]) -> None:
    """What a job prints, from its first byte to its end."""
    if refused:
        raise WrongUsage(f"a Workernator server tells all or nothing: {', '.join(refused)}")
    async with calling(call) as client:
        await _tell_output(call, client, await client.status(job_id))


async def _tell_output(call: Call, client: WorkernatorClient, job: GrpcJob) -> None:
    if job.kind == "command":
        from traffic_tui.cli.output_sinks import sinks_for

        sink = sinks_for(call.printer)["stdout"]
        async for data in client.output(job.id):
            sink.write(data, 0)
        sink.end()
        return
    async for line in client.lines(job.id):
        if call.printer.is_json:
            call.printer.json_line(line)
        else:
            call.printer.line(f"{date_and_time(line.at)} {line.text}")


async def stop(call: Call, job_ids: Sequence[str], refused: Sequence[str]) -> None:
    """Stop jobs; each is told once it has ended."""
    if refused:
        raise WrongUsage(f"a Workernator server knows nothing of {', '.join(refused)}")
    async with calling(call) as client:
        for job_id in job_ids:
            job = await client.stop(job_id)
            if call.printer.is_json:
                call.printer.document(job)
            else:
                call.printer.line(f"{job.id} {job.status.lower()}")


async def _exit_by_outcome(call: Call, client: WorkernatorClient, job: GrpcJob) -> None:
    async for _ in client.output(job.id):  # it ends with the job
        pass
    ended = await client.status(job.id)
    words = f"{ended.id} {ended.status.lower()}"
    call.printer.say(f"{words}: {ended.error}" if ended.error else words)
    if ended.status != "Finished":
        raise CommandFailed("", exit_code=EXIT_FAILED)

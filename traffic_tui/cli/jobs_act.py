"""``traffic-tui jobs stop|resubmit|reassign|priority``: changing jobs."""

from __future__ import annotations

import re
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from traffic_tui.cli import completion
from traffic_tui.cli.asking import interruptible
from traffic_tui.cli.command import Call, talking
from traffic_tui.cli.failures import EXIT_FAILED, CommandFailed, WrongUsage
from traffic_tui.cli.jobs_read import JobsArgument, job_ids
from traffic_tui.cli.options import ReasonOption, YesOption  # noqa: TC001 (Typer reads them)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from server.wire.operator import OneJobView

Act: TypeAlias = "Callable[[str], Coroutine[Any, Any, OneJobView]]"

GraceOption: TypeAlias = Annotated[
    str, typer.Option("--grace", metavar="T", help="Between asking and killing.")
]


DEFAULT_GRACE = "10s"


def declare(app: typer.Typer) -> None:
    """Put the commands into the group."""
    talking(
        app,
        "stop",
        "jobs stop 52118 --reason 'wrong input'",
        "jobs stop 52118 52119 --grace 60s --yes",
    )(stop)
    talking(app, "resubmit", "jobs resubmit 52090 --params '{\"set\": 8}'")(resubmit)
    talking(
        app,
        "reassign",
        "jobs reassign 52131 --to-queue cpu",
        "jobs reassign 52118 --to-runner lab-07",
    )(reassign)
    talking(
        app,
        "priority",
        "jobs priority 52131 52132 --to 9",
        "jobs priority 52131 --to -5",
        "jobs priority 52131 9",
    )(priority)


async def stop(
    call: Call,
    jobs: JobsArgument,
    grace: GraceOption = DEFAULT_GRACE,
    now: Annotated[bool, typer.Option("--now", help="Kill at once.")] = False,
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Give up on it: refuse what it still sends.")
    ] = False,
    reason: ReasonOption = "",
    yes: YesOption = False,
) -> None:
    """Stop jobs: ask, wait the grace, kill."""
    from server.wire.operator import StopRequest
    from traffic_tui.cli.typed import duration_of

    if now and abandon:
        raise WrongUsage("--now and --abandon exclude each other; give one")
    seconds = duration_of(grace, "--grace")
    request = StopRequest(grace_seconds=seconds, now=now, abandon=abandon, reason=reason)
    ids = job_ids(jobs)
    confirm("Stop", ids, is_agreed=yes)
    if call.connection.is_workernator:
        from traffic_tui.cli import workernator

        wanted = {"--now": now, "--abandon": abandon, "--reason": reason}
        wanted["--grace"] = grace != DEFAULT_GRACE
        await workernator.stop(call, ids, [name for name, value in wanted.items() if value])
        return
    await act_on_each(call, ids, lambda job: call.client.stop(job, request))


async def resubmit(
    call: Call,
    jobs: JobsArgument,
    params: Annotated[
        str | None, typer.Option("--params", metavar="JSON", help="Other parameters.")
    ] = None,
    reason: ReasonOption = "",
    yes: YesOption = False,
) -> None:
    """Make new jobs from old ones; the old ones stay as they are."""
    import msgspec

    from server.wire.operator import ResubmitRequest
    from traffic_tui.cli.typed import json_of

    request = ResubmitRequest(reason=reason)
    if params is not None:
        request.params = msgspec.Raw(json_of(params, "--params"))
    ids = job_ids(jobs)
    confirm("Resubmit", ids, is_agreed=yes)
    await act_on_each(call, ids, lambda job: call.client.resubmit(job, request))


async def reassign(
    call: Call,
    jobs: JobsArgument,
    to_queue: Annotated[
        str | None,
        typer.Option("--to-queue", metavar="QUEUE", autocompletion=completion.queues),
    ] = None,
    to_runner: Annotated[
        str | None,
        typer.Option("--to-runner", metavar="RUNNER", autocompletion=completion.runners),
    ] = None,
    grace: GraceOption = DEFAULT_GRACE,
    reason: ReasonOption = "",
    yes: YesOption = False,
) -> None:
    """Move jobs to another queue or runner; running ones are stopped and begin again there."""
    from server.wire.operator import ReassignRequest
    from traffic_tui.cli.typed import duration_of

    if (to_queue is None) == (to_runner is None):
        raise WrongUsage("say where to: either --to-queue or --to-runner")
    seconds = duration_of(grace, "--grace")
    request = ReassignRequest(
        queue=to_queue, runner=to_runner, grace_seconds=seconds, reason=reason
    )
    ids = job_ids(jobs)
    confirm("Move", ids, is_agreed=yes)
    await act_on_each(call, ids, lambda job: call.client.reassign(job, request))


async def priority(
    call: Call,
    jobs: Annotated[
        list[str],
        typer.Argument(
            metavar="ID... [N]",
            help="Jobs. Without --to the last word is the new priority, not a job.",
            autocompletion=completion.attention_jobs,
        ),
    ],
    to: Annotated[
        int | None,
        typer.Option(
            "--to", metavar="N", help="The new priority of all these jobs.", min=-(10**6), max=10**6
        ),
    ] = None,
    reason: ReasonOption = "",
    yes: YesOption = False,
) -> None:
    """Change the priority of jobs: the higher number goes first, 0 is usual."""
    wanted, named = (to, jobs) if to is not None else split_priority(jobs)
    if to is None:
        await refuse_what_may_be_a_job(call, wanted, named)
    ids = job_ids(named)
    confirm(f"Give priority {wanted} to", ids, is_agreed=yes)
    await act_on_each(call, ids, lambda job: call.client.set_priority(job, wanted, reason=reason))


def split_priority(words: list[str]) -> tuple[int, list[str]]:
    """The jobs and, behind them, the priority. Pure."""
    if len(words) < 2 or not re.fullmatch(r"[+-]?\d{1,7}", words[-1]):
        raise WrongUsage(
            f"which priority? name it with --to: jobs priority {' '.join(words[:3])} --to 9"
        )
    return int(words[-1]), words[:-1]


async def refuse_what_may_be_a_job(call: Call, wanted: int, named: list[str]) -> None:
    """A last number that is a waiting job as well may have been meant as one.

    The priority may have been forgotten or written first; only waiting jobs have use for one.
    """
    from server.model import WAITING_STATES
    from traffic_tui.client.base import ClientError

    if wanted < 1:
        return
    try:
        job = (await call.client.job(str(wanted))).job
    except ClientError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return
        raise
    if job.state in WAITING_STATES:
        jobs = " ".join(named[:3])
        raise WrongUsage(
            f"is {wanted} the priority, or the job {wanted} that waits? nothing was changed; "
            f"name the priority with --to: jobs priority {jobs} --to {wanted}"
        )


def confirm(verb: str, ids: list[str], *, is_agreed: bool) -> None:
    """Ask before acting on several jobs, if there is a person to ask."""
    if is_agreed or len(ids) < 2 or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    try:
        with interruptible():
            is_wanted = typer.confirm(f"{verb} {len(ids)} jobs?", err=True)
    except typer.Abort:
        typer.echo(err=True)  # the question is left without an answer, and its line without an end
        raise
    if not is_wanted:
        raise CommandFailed("nothing was done")


async def act_on_each(call: Call, ids: list[str], act: Act) -> None:
    """One after the other; what is refused is told, and the rest goes on."""
    from traffic_tui.client.base import ClientError, Unreachable

    refused = 0
    for job in ids:
        try:
            print_changed(call, await act(job))
        except Unreachable:
            raise
        except ClientError as error:
            if len(ids) == 1:
                raise
            refused += 1
            call.printer.say(f"{job}: {error.message}")
    if refused:
        raise CommandFailed(f"{refused} of {len(ids)} jobs were refused", exit_code=EXIT_FAILED)


def print_changed(call: Call, changed: OneJobView) -> None:
    """What became of one job, and what the operator should know about it."""
    from traffic_tui.cli.job_tables import changed_words, job_name

    if call.printer.is_json:
        call.printer.json_line(changed)
    elif call.printer.format == "name":
        call.printer.names([job_name(changed.job)])
    else:
        call.printer.line(changed_words(changed.job))
    if changed.warning:
        call.printer.say(f"job {changed.job.number}: {changed.warning}")

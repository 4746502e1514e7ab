"""``traffic-tui runners``: who executes jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from traffic_tui.cli import completion
from traffic_tui.cli.command import Call, group, talking
from traffic_tui.cli.options import ReasonOption  # noqa: TC001 (Typer reads annotations)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import RunnerLogLine, RunnerView

SHOWN_LOG_LINES = 20
"""``-o json`` has them all."""

app = group("List, show, drain, resume and forget runners.", "runners list")

RunnerArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="Name or id.", autocompletion=completion.runners)
]


@talking(app, "list", "runners list", "runners list -o wide")
async def list_runners(call: Call) -> None:
    """List runners: slots, beat, what they did in the last hour."""
    from traffic_tui.cli.fleet_tables import RUNNER_COLUMNS

    view = await call.client.runners()
    call.printer.table(view, view.runners, RUNNER_COLUMNS, lambda runner: runner.name)


@talking(app, "show", "runners show lab-07")
async def show_runner(call: Call, runner: RunnerArgument) -> None:
    """Show one runner, and what it printed lately where the coordinator started it."""
    view = await call.client.runner_with_log(runner)
    print_runner(call, view.runner, view.log)


@talking(
    app,
    "drain",
    "runners drain lab-07 --reason 'bad fan'",
    "runners drain lab-07 --deadline 30m",
)
async def drain(
    call: Call,
    runner: RunnerArgument,
    deadline: Annotated[
        str, typer.Option("--deadline", metavar="T", help="After it, what is left moves.")
    ] = "",
    move: Annotated[bool, typer.Option("--move", help="Move what is running at once.")] = False,
    reason: ReasonOption = "",
) -> None:
    """Give a runner nothing new; what runs may finish, unless told otherwise."""
    from server.wire.operator import DrainRequest
    from traffic_tui.cli.typed import duration_of

    request = DrainRequest(
        deadline_seconds=duration_of(deadline, "--deadline") if deadline else None,
        move=move,
        reason=reason,
    )
    print_runner(call, await call.client.drain(runner, request))


@talking(app, "resume", "runners resume lab-07")
async def resume(call: Call, runner: RunnerArgument, reason: ReasonOption = "") -> None:
    """End a drain: the runner gets jobs again."""
    print_runner(call, await call.client.resume_runner(runner, reason=reason))


@talking(app, "forget", "runners forget lab-31")
async def forget(call: Call, runner: RunnerArgument, reason: ReasonOption = "") -> None:
    """Take a runner that is gone off the list. It comes back when it says hello."""
    view = await call.client.runner(runner)
    await call.client.forget(view.id, reason=reason)
    if call.printer.is_json or call.printer.format == "name":
        print_runner(call, view)
    else:
        call.printer.line(f"forgotten: {view.name}")


def print_runner(call: Call, runner: RunnerView, log: Sequence[RunnerLogLine] = ()) -> None:
    """One runner in the wanted form, for people with the end of what it printed."""
    from server.wire.operator import OneRunnerView
    from traffic_tui.cli.fleet_tables import log_lines, runner_facts

    look = call.printer.look()
    document = OneRunnerView(runner=runner, log=list(log))
    call.printer.facts(document, runner_facts(runner, look), runner.name)
    if log and not (call.printer.is_json or call.printer.format == "name"):
        call.printer.lines(log_lines(log[-SHOWN_LOG_LINES:], look))

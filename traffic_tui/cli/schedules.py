"""``traffic-tui schedules``: jobs that are made again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from traffic_tui.cli import completion
from traffic_tui.cli.command import Call, group, talking
from traffic_tui.cli.options import ReasonOption  # noqa: TC001 (Typer reads annotations)
from traffic_tui.cli.submission import (  # noqa: TC001 (Typer reads annotations)
    CorrelationOption,
    MaxAttemptsOption,
    ParamsFileOption,
    ParamsOption,
    PriorityOption,
    QueueOption,
    RequireOption,
    TimeoutOption,
)

if TYPE_CHECKING:
    from server.wire.schedules import ScheduleView

app = group("List, create, pause, resume and delete schedules.", "schedules list")

NameArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="Its name.", autocompletion=completion.schedules)
]
ZoneOption: TypeAlias = Annotated[
    str, typer.Option("--time-zone", metavar="ZONE", help="Whose clock it goes by.")
]


@talking(app, "list", "schedules list", "schedules list -o wide")
async def list_schedules(call: Call) -> None:
    """List schedules: when each is due, and how its last job is doing."""
    from traffic_tui.cli.schedule_tables import SCHEDULE_COLUMNS

    view = await call.client.schedules()
    call.printer.table(view, view.schedules, SCHEDULE_COLUMNS, lambda schedule: schedule.name)


@talking(app, "show", "schedules show nightly", aliases=("status",))
async def show(call: Call, name: NameArgument) -> None:
    """Show everything about one schedule."""
    print_schedule(call, await call.client.schedule(name))


@talking(
    app,
    "create",
    "schedules create nightly '30 2 * * *' report --time-zone Europe/Berlin",
    "schedules create tick '*/10 * * * * *' ping --overlap queue --params '{\"host\": \"a\"}'",
    "schedules create nightly '0 3 * * *' report --replace",
)
async def create(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A name for it.")],
    cron: Annotated[
        str,
        typer.Argument(
            metavar="CRON",
            help="minute hour day month weekday, in quotes; 6 fields: the second in front.",
        ),
    ],
    type_name: Annotated[
        str,
        typer.Argument(
            metavar="TYPE", help="Type of its jobs.", autocompletion=completion.job_types
        ),
    ],
    time_zone: ZoneOption = "UTC",
    params: ParamsOption = None,
    params_file: ParamsFileOption = None,
    queue: QueueOption = "default",
    priority: PriorityOption = 0,
    require: RequireOption = [],  # noqa: B006 (Typer copies it)
    time_limit: TimeoutOption = "",
    max_attempts: MaxAttemptsOption = None,
    correlation: CorrelationOption = [],  # noqa: B006
    overlap: Annotated[
        Literal["skip", "queue", "replace"],
        typer.Option("--overlap", help="When its last job has not ended: leave it out, or what."),
    ] = "skip",
    catch_up: Annotated[
        str,
        typer.Option("--catch-up", metavar="T", help="Make up for the last missed run, so late."),
    ] = "",
    paused: Annotated[bool, typer.Option("--paused", help="It begins when it is resumed.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Change the schedule of that name instead.")
    ] = False,
    reason: ReasonOption = "",
) -> None:
    """Make a schedule, or change one with --replace."""
    import msgspec

    from server.wire.schedules import NewScheduleRequest, ScheduleRequest
    from traffic_tui.cli.jobs_submit import params_of
    from traffic_tui.cli.typed import assignments_of, duration_of, pairs_of

    request = ScheduleRequest(
        cron=cron,
        type=type_name,
        time_zone=time_zone,
        params=msgspec.Raw(params_of(params, params_file)),
        queue=queue,
        priority=priority,
        requires=pairs_of(require, "--require"),
        timeout_seconds=duration_of(time_limit, "--timeout") if time_limit else 0,
        max_attempts=max_attempts,
        correlation=assignments_of(correlation, "--correlation", "correlation") or None,
        overlap=overlap,
        catch_up_seconds=duration_of(catch_up, "--catch-up") if catch_up else 0,
        paused=paused or None,
        reason=reason,
    )
    if replace:
        print_schedule(call, await call.client.change_schedule(name, request))
        return
    fields = {each: getattr(request, each) for each in request.__struct_fields__}
    made = await call.client.create_schedule(NewScheduleRequest(**fields, name=name))
    print_schedule(call, made)


@talking(app, "pause", "schedules pause nightly --reason 'moving the data'")
async def pause(call: Call, name: NameArgument, reason: ReasonOption = "") -> None:
    """Let a schedule make no more jobs; those that it made go on."""
    print_schedule(call, await call.client.pause_schedule(name, reason=reason))


@talking(app, "resume", "schedules resume nightly")
async def resume(call: Call, name: NameArgument, reason: ReasonOption = "") -> None:
    """Let a schedule make jobs again, from the next time that it is due."""
    print_schedule(call, await call.client.resume_schedule(name, reason=reason))


@talking(app, "delete", "schedules delete nightly")
async def delete(call: Call, name: NameArgument, reason: ReasonOption = "") -> None:
    """Take a schedule away; the jobs that it made stay."""
    await call.client.delete_schedule(name, reason=reason)
    if call.printer.is_json:
        call.printer.document({"deleted": name})
    elif call.printer.format == "name":
        call.printer.names([name])
    else:
        call.printer.line(f"deleted: {name}")


@talking(
    app,
    "next",
    "schedules next nightly -n 10",
    "schedules next --cron '0 9 * * MON' --time-zone Europe/Berlin",
)
async def show_next(
    call: Call,
    name: Annotated[
        str,
        typer.Argument(metavar="[NAME]", help="Its name.", autocompletion=completion.schedules),
    ] = "",
    cron: Annotated[
        str, typer.Option("--cron", metavar="CRON", help="Or any expression, to try it.")
    ] = "",
    time_zone: ZoneOption = "UTC",
    number: Annotated[
        int, typer.Option("--number", "-n", metavar="N", help="How many.", min=1, max=100)
    ] = 5,
) -> None:
    """Show when a schedule, or a cron expression, is due next."""
    from traffic_tui.cli.failures import WrongUsage
    from traffic_tui.cli.schedule_tables import DUE_COLUMNS, DueTime

    if bool(name) == bool(cron):
        raise WrongUsage("give either the NAME of a schedule or --cron")
    if cron:
        view = await call.client.cron_due(cron, time_zone=time_zone, count=number)
    else:
        time_zone = (await call.client.schedule(name)).time_zone
        view = await call.client.schedule_due(name, count=number)
    rows = [DueTime(due, time_zone) for due in view.due]
    call.printer.table(view, rows, DUE_COLUMNS, lambda due: str(due.at))


def print_schedule(call: Call, schedule: ScheduleView) -> None:
    """One schedule in the wanted form."""
    from server.wire.schedules import OneScheduleView
    from traffic_tui.cli.schedule_tables import schedule_facts

    facts = schedule_facts(schedule, call.printer.look())
    call.printer.facts(OneScheduleView(schedule=schedule), facts, schedule.name)

"""``traffic-tui jobs list|status|tail|wait|explain``: looking, changing nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from traffic_tui.cli import completion
from traffic_tui.cli.asking import stdin_text
from traffic_tui.cli.command import Call, talking
from traffic_tui.cli.failures import EXIT_DONE, CommandFailed

if TYPE_CHECKING:
    from server.wire.operator import JobsView
    from traffic_tui.client.base import Client

PAGE = 500
"""Most jobs asked for in one call."""

MOST_GROUPS = 1_000
Grouping: TypeAlias = Literal["error", "type", "queue", "runner"]
Order: TypeAlias = Literal["number", "-number", "since", "-since", "priority", "-priority"]
JobArgument: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="Its number, its id, or a beginning of that.",
        autocompletion=completion.attention_jobs,
    ),
]
JobsArgument: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="ID...",
        help="Numbers or ids; - reads them from stdin.",
        autocompletion=completion.attention_jobs,
    ),
]


def job_ids(given: list[str]) -> list[str]:
    """The jobs meant, each once, with those from stdin where ``-`` stands.

    Raises:
        CommandFailed: stdin brings none, as from a filter that fits nothing: that is no failure.
    """
    ids: list[str] = []
    for each in given:
        ids += stdin_text().split() if each == "-" else [each]
    if not ids:
        raise CommandFailed("no job came in over stdin: nothing was done", exit_code=EXIT_DONE)
    return list(dict.fromkeys(ids))


def declare(app: typer.Typer) -> None:
    """Put the commands into the group."""
    talking(
        app,
        "list",
        "jobs list state:failed queue:gpu",
        "jobs list 'state:waiting for>10m' -n 0 -o name | traffic-tui jobs stop -",
        "jobs list --by error state:failed 'for<2h'",
        "jobs list --pieces",
    )(list_jobs)
    talking(app, "status", "jobs status 52118", aliases=("show",))(show_job)
    talking(
        app,
        "tail",
        "jobs tail 52118 -f --tail 20",
        "jobs tail 52118 --stream stderr > errors.txt",
        aliases=("logs",),
    )(tail)
    talking(app, "wait", "jobs wait 52118 52119 --timeout 10m")(wait)
    talking(app, "explain", "jobs explain 52131")(explain)


async def list_jobs(
    call: Call,
    terms: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILTER",
            help="state: type: queue: runner: error: age> and more, or words; ! inverts.",
            autocompletion=completion.filters,
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", help="At most so many; 0: all.", min=0)
    ] = 100,
    order: Annotated[Order, typer.Option("--order", help="- turns it around.")] = "-number",
    by: Annotated[
        Grouping | None,
        typer.Option("--by", help="Count them instead, by cause of error, type, queue or runner."),
    ] = None,
    pieces: Annotated[
        bool, typer.Option("--pieces", help="Also pieces of ranges; with a FILTER they always are.")
    ] = False,
) -> None:
    """List jobs, newest first; without a filter, no pieces of ranges.

    Filters are those of the console. Quote them: a shell takes > and * for its own. With --by the
    largest groups come first, and -o name prints the filter of each.
    """
    from traffic_tui.cli.job_tables import JOB_COLUMNS, job_name

    asked = " ".join(terms or [])
    filter_text = asked if asked or pieces else await resting_filter(call.client)
    if by is not None:
        await list_groups(call, by, filter_text, min(limit or MOST_GROUPS, MOST_GROUPS))
        return
    page = await read_jobs(call.client, filter_text, limit, order)
    call.printer.table(page, page.jobs, JOB_COLUMNS, job_name)
    if not call.printer.is_terminal or call.printer.is_json:
        return
    if page.count > len(page.jobs):
        about = "" if page.count_is_exact else "about "
        call.printer.say(f"{len(page.jobs)} of {about}{page.count:,}; -n 0 lists all")
    if filter_text != asked:
        call.printer.say("without pieces of ranges; --pieces lists them too")


async def list_groups(call: Call, by: Grouping, filter_text: str, limit: int) -> None:
    """Jobs that are alike, counted."""
    from traffic_tui.cli.group_tables import group_columns

    found = await call.client.job_groups(by=by, filter=filter_text, limit=limit)
    call.printer.table(found, found.groups, group_columns(by), lambda group: group.filter)
    if call.printer.is_terminal and not call.printer.is_json:
        newest = "" if found.count_is_exact else "the newest "
        call.printer.say(f"{newest}{found.count:,} jobs in {found.number:,} groups")


async def resting_filter(client: Client) -> str:
    """What the console lists before anybody filters: not the hundreds of pieces of a range."""
    from traffic_tui.client.resting_filter import RestingFilter

    resting = RestingFilter(client)
    await resting.look()
    return resting.text


async def read_jobs(client: Client, filter_text: str, limit: int, order: str) -> JobsView:
    """Pages, one after the other, as if they were one."""
    wanted = limit or sys.maxsize
    page = await client.jobs(filter=filter_text, limit=min(PAGE, wanted), order=order)
    while page.next is not None and len(page.jobs) < wanted:
        more = await client.jobs(
            filter=filter_text,
            limit=min(PAGE, wanted - len(page.jobs)),
            after=page.next,
            order=order,
        )
        page.jobs += more.jobs
        page.next = more.next
    return page


async def show_job(call: Call, job: JobArgument) -> None:
    """Show one job: where it is, its limits, its tries, its result."""
    from traffic_tui.cli.job_tables import job_facts, job_name

    if call.connection.is_workernator:
        from traffic_tui.cli import workernator

        await workernator.status(call, job)
        return
    detail = await call.client.job(job)
    call.printer.facts(detail, job_facts(detail, call.printer.look()), job_name(detail.job))


async def tail(
    call: Call,
    job: JobArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job is over.")
    ] = False,
    lines: Annotated[
        int | None, typer.Option("--tail", "-n", metavar="N", help="The last N lines.", min=0)
    ] = None,
    since: Annotated[
        str, typer.Option("--since", metavar="T", help="What came since: 10m, 14:05.")
    ] = "",
    attempt: Annotated[
        str, typer.Option("--attempt", metavar="N", help="Which try; else the newest.")
    ] = "",
    stream: Annotated[
        Literal["stdout", "stderr", "console"] | None,
        typer.Option("--stream", help="One stream alone."),
    ] = None,
) -> None:
    """Print what a job wrote: its stderr to stderr, the rest to stdout.

    A pipe or file gets every byte as it came, a terminal gets harmless text. With -f it goes on
    over restarts of the coordinator, losing and repeating nothing. Of jobs of the types noop, fib,
    eval and wait, which say little, a log is told on a terminal, to the job's end.
    """
    from server.clock import SystemClock
    from traffic_tui.cli.tailing import TailWish, tail_job
    from traffic_tui.cli.typed import moment_of

    narrowing = {"--tail": lines, "--since": since, "--attempt": attempt, "--stream": stream}
    given = [name for name, value in narrowing.items() if value not in (None, "")]
    if call.connection.is_workernator:
        from traffic_tui.cli import workernator

        await workernator.tail(call, job, given)
        return
    if call.printer.is_terminal and not (given or call.printer.is_json):
        from traffic_tui.cli.job_log import has_log, tell_log

        detail = await call.client.job(job)
        if has_log(detail.job.type):
            await tell_log(call, detail)
            return
    now = SystemClock().now_ms()
    since_ms = moment_of(since, now, "--since", is_past=True) if since else 0
    await tail_job(call, job, TailWish(follow, lines, since_ms, attempt, stream or ""))


async def wait(
    call: Call,
    jobs: JobsArgument,
    give_up_after: Annotated[
        str, typer.Option("--timeout", metavar="T", help="Give up after: 90s, 10m.")
    ] = "",
) -> None:
    """Wait for jobs to end. Exits with 0 if all completed, else with 1."""
    from traffic_tui.cli.typed import duration_of
    from traffic_tui.cli.waiting import exit_by_outcome, wait_for_jobs

    seconds = duration_of(give_up_after, "--timeout") if give_up_after else None
    exit_by_outcome(await wait_for_jobs(call, job_ids(jobs), timeout_seconds=seconds))


async def explain(call: Call, job: JobArgument) -> None:
    """Say why a job is not running: a verdict for each runner, and what would start it."""
    from traffic_tui.cli.job_tables import VERDICT_COLUMNS, explain_facts

    explained = await call.client.explain(job)
    if call.printer.is_json:
        call.printer.document(explained)
        return
    if call.printer.format != "name":
        call.printer.facts(explained, explain_facts(explained, call.printer.look()), "")
    if explained.reasons:
        call.printer.table(
            explained, explained.reasons, VERDICT_COLUMNS, lambda verdict: verdict.runner.name
        )

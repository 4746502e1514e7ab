"""``traffic-tui events``: what happened, and with ``-f`` what happens."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from traffic_tui.cli.command import Call, standalone, talking

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from server.wire.operator import EventView
    from traffic_tui.cli.event_filter import EventFilter

app = standalone()

PAGE = 500
MOST_LOOKED_THROUGH = 20_000
"""Events searched for matches before giving up, so that a rare filter ends."""


@talking(
    app,
    "events",
    "events 'kind:failed runner:lab*'",
    "events job:52118",
    "events -f --json",
)
async def events(
    call: Call,
    terms: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILTER", help="kind: job: runner: queue: actor: or words; ! inverts."
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", help="How many of the past.", min=0)
    ] = 50,
) -> None:
    """Print events, oldest first: who did what, and why. With -f it goes on.

    Following survives restarts of the coordinator; each event is printed once.
    """
    from traffic_tui.cli.event_filter import parse_event_filter
    from traffic_tui.cli.failures import WrongUsage
    from traffic_tui.cli.values import BadValue

    try:
        wanted = parse_event_filter(terms or [])
    except BadValue as problem:
        raise WrongUsage(str(problem)) from problem
    newest = (await call.client.stats()).last_seq
    for event in await past_events(call, wanted, limit, newest):
        print_event(call, event)
    if follow:
        await follow_events(call, wanted, newest)


async def past_events(call: Call, wanted: EventFilter, limit: int, newest: int) -> list[EventView]:
    """The last ``limit`` events that match, oldest first."""
    found: list[EventView] = []
    before, looked_through = newest + 1, 0
    while len(found) < limit and looked_through < MOST_LOOKED_THROUGH:
        page = await call.client.events(
            job=wanted.exact("job"),
            runner=wanted.exact("runner"),
            actor=wanted.exact("actor"),
            before=before,
            limit=PAGE,
        )
        found += [event for event in page.events if wanted.matches(event)]
        looked_through += len(page.events)
        if len(page.events) < PAGE:
            break
        before = page.events[-1].seq
    return found[:limit][::-1]


async def follow_events(call: Call, wanted: EventFilter, last_seq: int) -> None:
    """Events after ``last_seq`` for ever, each once and in order, over lost connections."""
    from traffic_tui.cli.news import RECONNECT_SECONDS, Patience
    from traffic_tui.client.base import Unreachable

    patience = Patience()
    patience.answered()  # by the page of the past
    while True:
        try:
            async with aclosing(_events_after(call, last_seq)) as events_after:
                async for event in events_after:
                    patience.answered()
                    last_seq = event.seq
                    if wanted.matches(event):
                        print_event(call, event)
        except Unreachable as error:
            patience.unanswered(error)
        await asyncio.sleep(RECONNECT_SECONDS)


async def _events_after(call: Call, last_seq: int) -> AsyncGenerator[EventView, None]:
    """What was kept since ``last_seq`` first, then the live stream until it ends."""
    from server.wire.operator import EventView
    from traffic_tui.cli.news import live_items
    from traffic_tui.client.base import Resync

    async with aclosing(live_items(call.client, after=last_seq)) as items:
        async for item in items:
            if isinstance(item, Resync):
                for missed in await _missed(call, last_seq):
                    last_seq = missed.seq
                    yield missed
            elif isinstance(item, EventView) and item.seq > last_seq:
                last_seq = item.seq
                yield item


async def _missed(call: Call, last_seq: int) -> list[EventView]:
    """What the stream could not hold for us, page by page."""
    missed: list[EventView] = []
    while True:
        page = (await call.client.events(after=last_seq, limit=PAGE)).events
        missed += page
        if len(page) < PAGE:
            return missed
        last_seq = page[-1].seq


def print_event(call: Call, event: EventView) -> None:
    """One event on a line of its own, at once."""
    if call.printer.is_json:
        call.printer.json_line(event)
    elif call.printer.format == "name":
        call.printer.names([str(event.seq)])
    else:
        from traffic_tui.cli.fleet_tables import event_spans

        call.printer.lines([event_spans(event, call.printer.look())])

"""Why a job waits is asked again soon where something happened, and seldom where nothing did."""

from __future__ import annotations

import asyncio
from typing import Any

from server.wire.operator import NoticeView
from tests.console.screens.world import World, job, listed
from traffic_tui.client.base import OutputPart
from traffic_tui.screens.notes import (
    MOST_AT_ONCE,
    MOST_UNLISTED,
    QUIET_SECONDS,
    WAITING_SECONDS,
    Notes,
)
from traffic_tui.state.mirror import Mirror


async def test_reasons_are_asked_for_again_when_something_happened() -> None:
    world, mirror = World(), Mirror()
    full = job(7, "pending")
    world.add(full)
    mirror.jobs[7] = listed(full)
    notes = Notes(world.client, mirror)
    await notes.fetch(notes.wanted([7], 1.0), 1.0)
    assert notes.wanted([7], 1.0 + WAITING_SECONDS) == []
    assert notes.wanted([7], 1.0 + QUIET_SECONDS) == [mirror.jobs[7]]
    notes.hear([NoticeView(kind="runner")], 2.0)
    assert notes.wanted([7], WAITING_SECONDS) == []
    assert notes.wanted([7], 1.0 + WAITING_SECONDS) == [mirror.jobs[7]]


async def test_what_could_not_be_had_is_asked_for_again_soon() -> None:
    world, mirror = World(), Mirror()
    world.is_reachable = False
    mirror.jobs[7] = listed(job(7, "pending"))
    notes = Notes(world.client, mirror)
    await notes.fetch(notes.wanted([7], 1.0), 1.0)
    assert notes.wanted([7], WAITING_SECONDS) == []
    assert notes.wanted([7], 1.0 + WAITING_SECONDS) == [mirror.jobs[7]]


async def test_rows_that_speak_all_the_time_leave_the_others_their_turn() -> None:
    world, mirror = World(), Mirror()
    numbers = list(range(1, 2 * MOST_AT_ONCE + 1))
    world.add(*(job(number) for number in numbers))
    mirror.put_jobs(world.all_jobs.values())
    notes = Notes(world.client, mirror)
    seen: set[int] = set()
    for now in (1.0, 2.0):
        wanted = notes.wanted(numbers, now)
        assert len(wanted) == MOST_AT_ONCE
        seen |= {one.number for one in wanted}
        await notes.fetch(wanted, now)
        notes.spoke(numbers)
    assert seen == set(numbers)


async def test_no_more_are_asked_for_while_some_are_on_their_way() -> None:
    """On a slow line one look would end the one before it, again and again."""
    world, mirror = World(), Mirror()
    world.add(job(7), job(8))
    mirror.put_jobs(world.all_jobs.values())
    notes, came = Notes(world.client, mirror), asyncio.Event()

    async def slow(job: str, **asked: Any) -> OutputPart:
        await came.wait()
        return OutputPart(0, b"at last\n", 8, False, 0, 0, 0)

    world.output = slow  # type: ignore[method-assign]
    fetching = asyncio.create_task(notes.fetch(notes.wanted([7], 1.0), 1.0))
    await asyncio.sleep(0)
    assert notes.wanted([7, 8], 2.0) == []
    came.set()
    await fetching
    assert mirror.notes == {7: "at last"}
    assert [one.number for one in notes.wanted([7, 8], 3.0)] == [8]


async def test_of_jobs_that_are_listed_no_more_nothing_is_kept() -> None:
    world, mirror = World(), Mirror()
    notes = Notes(world.client, mirror)
    for number in range(2 * MOST_UNLISTED):
        mirror.jobs = {number: listed(job(number, "pending"))}
        await notes.fetch(notes.wanted([number], 1.0), 1.0)
    assert len(notes._turn_at) <= MOST_UNLISTED + 3
    assert len(notes._failed) <= MOST_UNLISTED + 3


async def test_of_a_range_that_goes_on_the_note_goes_on() -> None:
    """It says how far it is, as the column beside it does."""
    world, mirror = World(), Mirror()
    world.add(job(7, attempts=0), job(8))
    mirror.put_jobs(world.all_jobs.values())
    notes = Notes(world.client, mirror)
    await notes.fetch(notes.wanted([7, 8], 1.0), 1.0)
    notes.hear([NoticeView(kind="progress", number=7), NoticeView(kind="progress", number=8)], 2.0)
    assert [one.number for one in notes.wanted([7, 8], 2.0)] == [7]

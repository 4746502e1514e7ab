"""Why a job waits is asked again soon where something happened, and seldom where nothing did."""

from __future__ import annotations

from server.wire.operator import NoticeView
from tests.console.screens.world import World, job, listed
from traffic_tui.screens.notes import MOST_AT_ONCE, QUIET_SECONDS, WAITING_SECONDS, Notes
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

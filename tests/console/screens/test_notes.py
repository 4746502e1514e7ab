"""Why a job waits is asked again soon where something happened, and seldom where nothing did."""

from __future__ import annotations

from server.wire.operator import NoticeView
from tests.console.screens.world import World, job, listed
from traffic_tui.screens.notes import QUIET_SECONDS, WAITING_SECONDS, Notes
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

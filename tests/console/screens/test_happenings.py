"""Lists of what happened, while they are filtered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.screens.seeing import console, lab

if TYPE_CHECKING:
    from server.wire.operator import EventsView


async def test_a_page_asked_for_before_the_filter_does_not_come_under_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = lab()
    for number in (52118, 52131):
        world.happen("claimed", number, reason=f"of {number}")
    may_answer, answer = asyncio.Event(), world.events

    async def slow(**asked: Any) -> EventsView:
        page = await answer(**asked)
        if asked["job"] is None:
            await may_answer.wait()
        return page

    async with console(world, (160, 50)) as seat:
        monkeypatch.setattr(world, "events", slow)
        seat.app.navigation.show_events(0)
        await seat.until(lambda: world.asked("events"))
        await seat.press("/")
        await seat.type("job:52118")
        await seat.press("enter")
        may_answer.set()
        await seat.sees("of 52118")
        await seat.settle()
        assert "of 52131" not in seat.text


@pytest.mark.parametrize("text", ["lost", "!job:52118", "label.gpu:a100", "job:52118 job:52131"])
async def test_what_events_cannot_be_found_by_is_refused(text: str) -> None:
    """Not taken without effect, as if these were all there are."""
    async with console(lab(), (160, 50)) as seat:
        seat.app.navigation.show_events(0)
        await seat.sees("newest first")
        await seat.press("/")
        await seat.type(text)
        await seat.sees("^ job: once is all" if text.count("job:") > 1 else "^ events are found by")

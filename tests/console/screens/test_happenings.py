"""Lists of what happened, while they are filtered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.console.screens.seeing import console, lab

if TYPE_CHECKING:
    import pytest

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

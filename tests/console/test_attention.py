"""When the console looks: by events of the loop, not by the clock on the wall."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from traffic_tui import attention as module
from traffic_tui.attention import Attention

if TYPE_CHECKING:
    import pytest

DEADLINE_SECONDS = 30.0


async def test_what_is_heard_ends_an_idle_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ATTENTIVE_SECONDS", 0.0)
    monkeypatch.setattr(module, "IDLE_SECONDS", 10 * DEADLINE_SECONDS)
    attention = Attention()
    pause = asyncio.create_task(attention.pause(is_busy=False))
    await asyncio.sleep(0)
    attention.stir()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await pause


async def test_what_was_heard_before_the_pause_ends_this_one_and_not_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "ATTENTIVE_SECONDS", 0.0)
    monkeypatch.setattr(module, "IDLE_SECONDS", 10 * DEADLINE_SECONDS)
    attention = Attention()
    attention.stir()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await attention.pause(is_busy=False)
    pause = asyncio.create_task(attention.pause(is_busy=False))
    await asyncio.sleep(0.05)
    assert not pause.done()
    pause.cancel()


async def test_who_is_busy_or_heard_something_lately_does_not_wait_for_news(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "IDLE_SECONDS", 10 * DEADLINE_SECONDS)
    attention = Attention()
    async with asyncio.timeout(DEADLINE_SECONDS):
        monkeypatch.setattr(module, "ATTENTIVE_SECONDS", 0.0)
        await attention.pause(is_busy=True)
        monkeypatch.setattr(module, "ATTENTIVE_SECONDS", DEADLINE_SECONDS)
        attention.stir()
        await attention.pause(is_busy=False)


async def test_what_is_heard_on_and_on_is_looked_at_so_many_times_a_second() -> None:
    attention = Attention()
    attention.stir()
    begin = time.monotonic()
    await attention.pause(is_busy=False, most_a_second=1)
    attention.stir()
    await attention.pause(is_busy=False, most_a_second=4)
    assert time.monotonic() - begin >= 0.2


async def test_an_idle_pause_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ATTENTIVE_SECONDS", 0.0)
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.01)
    async with asyncio.timeout(DEADLINE_SECONDS):
        await Attention().pause(is_busy=False)

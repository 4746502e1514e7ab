"""Keys that come in all at once, as they do over a slow line: none of them means another act."""

from __future__ import annotations

from tests.console.screens.seeing import console, lab


async def test_a_command_is_typed_not_done_letter_by_letter() -> None:
    async with console(lab()) as seat:
        await seat.burst(":runners\n")
        await seat.sees("by problem", "lab-07")
        assert len(seat.app.screen_stack) == 2


async def test_a_filter_is_typed_not_done_letter_by_letter() -> None:
    async with console(lab()) as seat:
        await seat.burst("/state:failed\n")
        await seat.sees("Jobs  state:failed", "1 of 7")
        assert len(seat.app.screen_stack) == 1
        await seat.press("j", "enter")
        await seat.sees("Jobs / 52090")


async def test_a_reason_is_typed_and_answers_nothing() -> None:
    async with console(lab()) as seat:
        await seat.press("j", "j", "s")
        await seat.dialog("k  kill now", "y  ask it to stop")
        await seat.burst("\tok, my key\n")
        await seat.sees("ok, my key")
        assert seat.world.asked("stop") == []
        await seat.press("y")
        [(_, number, request)] = await seat.asks("stop")
        assert (number, request.reason, request.now) == (52118, "ok, my key", False)

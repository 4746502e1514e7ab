"""Keys that come in all at once, as they do over a slow line: none of them means another act."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from server.wire.operator import RunnerRef, VerdictView
from tests.console.screens.seeing import console, lab
from tests.console.screens.world import runner

if TYPE_CHECKING:
    from server.wire.operator import ExplainView


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


async def test_what_is_picked_is_what_was_typed_not_what_stood_there_before() -> None:
    world = lab()
    world.add_runners(runner("lab-02"))
    world.verdicts = [
        VerdictView(runner=RunnerRef(id="id-lab-02", name="lab-02"), verdict="eligible", detail="")
    ]
    async with console(world) as seat:
        await seat.press("j", "j", "a")
        await seat.dialog("Reassign job 52118", "lab-02")
        await seat.burst("queue cpu\n")
        [(_, _, request)] = await seat.asks("reassign")
        assert (request.runner, request.queue) == (None, "cpu")


@pytest.mark.parametrize("is_open", [False, True])
async def test_keys_after_enter_are_no_part_of_the_command(is_open: bool) -> None:
    async with console(lab()) as seat:
        if is_open:
            await seat.press(":")
            await seat.burst("52118\njj")
        else:
            await seat.burst(":52118\njj")
        await seat.sees("Jobs / 52118")


async def test_keys_after_enter_are_no_part_of_the_filter() -> None:
    async with console(lab()) as seat:
        await seat.press("/")
        await seat.burst("state:failed\nxy")
        await seat.sees("Jobs  state:failed ", "1 of 7")
        await seat.settle()
        assert "failedxy" not in seat.text


async def test_parameters_are_submitted_as_they_were_typed_to_the_last_letter() -> None:
    async with console(lab()) as seat:
        await seat.press("j", "j", "R")
        await seat.dialog("good JSON")
        await seat.burst("x", then="ctrl+r")
        await seat.sees("not JSON")
        await seat.settle()
        assert seat.world.asked("resubmit") == []


async def test_keys_pressed_while_a_question_is_on_its_way_ask_no_second_one() -> None:
    async with console(lab()) as seat:
        await seat.press("j", "j")
        await seat.burst("rsse")
        await seat.dialog("job 52118")
        await seat.press("escape")
        await seat.settle()
        assert len(seat.app.screen_stack) == 1


async def test_a_question_does_not_follow_to_another_screen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = lab()
    may_answer, answer = asyncio.Event(), world.explain

    async def slow(job: str) -> ExplainView:
        await may_answer.wait()
        return await answer(job)

    monkeypatch.setattr(world, "explain", slow)
    async with console(world) as seat:
        await seat.press("j", "j")
        await seat.burst("a:runners\n")
        await seat.sees("by problem", "lab-07")
        may_answer.set()
        await seat.asks("queues")
        await seat.settle()
        assert seat.app.screen is seat.app.navigation.top

"""Reading what a job says: the end first, older tries, streams, searching, taking it along."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from server.wire.operator import NoticeView
from tests.console.screens.seeing import console, lab
from tests.console.screens.test_goldens import busy_lab
from traffic_tui.screens.output import OutputScreen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from traffic_tui.client.base import OutputPart


async def test_output_follows_what_comes() -> None:
    world = busy_lab()
    async with console(world) as seat:
        await seat.press("j", "j", "l")
        await seat.sees("decode tile 0039", "following")
        data = world.outputs[52118, 2, "stdout"] + b"decode tile 0040 at last\n"
        world.set_output(52118, data, try_=2)
        world.send(NoticeView(kind="output", number=52118, attempt=2))
        await seat.sees("decode tile 0040 at last")
        await seat.press("g")
        await seat.sees("decode tile 0000", "held")
        await seat.press("G")
        await seat.sees("decode tile 0040 at last", "following")


async def test_following_and_holding_still_are_told_where_all_is_in_view_and_has_ended() -> None:
    world = lab()
    world.set_output(52090, b"one line\n")
    async with console(world) as seat:
        await seat.burst(":52090\n")
        await seat.sees("one line", "ended")
        await seat.press("f")
        await seat.sees("holding still")
        await seat.press("f")
        await seat.sees("following the end")


async def test_streams_are_merged_or_shown_alone() -> None:
    world = busy_lab()
    world.set_output(52118, b"a warning\n", try_=2, stream="stderr")
    async with console(world) as seat:
        await seat.press("j", "j", "l")
        await seat.sees("! a warning", "decode tile 0039")
        await seat.press("tab", "tab")
        await seat.sees("stderr alone")
        await seat.until(lambda: "decode tile" not in seat.text)


async def test_tries_are_switched() -> None:
    world = busy_lab()
    world.set_output(52118, b"the first try said this\n", try_=1)
    async with console(world) as seat:
        await seat.press("j", "j", "enter")
        await seat.sees("output of 52118, try 2")
        await seat.press("[")
        await seat.sees("output of 52118, try 1", "the first try said this")
        await seat.press("[")
        await seat.sees("try 1 is the first")
        await seat.press("]")
        await seat.sees("output of 52118, try 2", "decode tile 0039")


async def test_search_finds_and_walks() -> None:
    async with console(busy_lab()) as seat:
        await seat.press("j", "j", "l")
        await seat.sees("decode tile 0039")
        await seat.press("/")
        await seat.dialog("Search the output")
        await seat.press(*"0003", "enter", "N")
        await seat.sees("decode tile 0003")
        await seat.press("escape")
        await seat.sees("output")
        await seat.press("escape")
        await seat.until(lambda: seat.app.navigation.screens[-1].scope == "jobs")


async def test_output_is_saved_once_and_never_over_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    world = busy_lab()
    async with console(world, (160, 50)) as seat:
        await seat.press("j", "j", "l")
        await seat.sees("decode tile 0039")
        await seat.press("S")
        await seat.sees("saved ")
        saved = tmp_path / "52118-try2-stdout.log"
        assert saved.read_bytes() == world.outputs[52118, 2, "stdout"]
        await seat.press("S")
        await seat.sees("not saved", "File exists")


async def test_only_lines_that_hold_a_text_are_shown_until_escape() -> None:
    world = busy_lab()
    world.set_output(52118, b"one apple\ntwo pears\nthree apples\n", try_=2)
    async with console(world) as seat:
        await seat.press("j", "j", "l")
        await seat.sees("two pears")
        await seat.press("&")
        await seat.dialog("Only lines that hold")
        await seat.type("apple")
        await seat.press("enter")
        await seat.until(lambda: "two pears" not in seat.text)
        await seat.sees("one apple", "three apples")
        await seat.press("escape")
        await seat.sees("two pears")


async def test_a_time_of_day_is_a_place_in_output() -> None:
    world = busy_lab()
    one = world.all_jobs[52118]
    lines = b"".join(b"line %04d\n" % n for n in range(3_000))
    world.set_output(52118, lines, try_=2)
    began = world.attempts[52118][0].started_at
    world.output_at = lambda offset: began + offset // 10 * 100
    assert one.times.started == began
    async with console(world) as seat:
        await seat.press("j", "j", "l")
        await seat.sees("line 2999", "following")
        await seat.press(":")
        await seat.type("22:02:00")
        await seat.press("enter")
        await seat.sees("line 0800", "held")
        await seat.press(":")
        await seat.type("23:59")
        await seat.press("enter")
        await seat.sees("nothing was written at 23:59 or later", "line 2999")
        await seat.press(":")
        await seat.type("25:00")
        await seat.press("enter")
        await seat.sees("25:00 is no time of day")


async def test_a_time_that_was_asked_for_in_one_try_does_not_move_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = busy_lab()
    for number in (1, 2):
        lines = b"".join(b"try %d line %04d\n" % (number, n) for n in range(3_000))
        world.set_output(52118, lines, try_=number)
    may_answer, answer = asyncio.Event(), world.output

    async def slow(job: str, **asked: Any) -> OutputPart:
        if asked["limit"] == 1:
            await may_answer.wait()
        return await answer(job, **asked)

    monkeypatch.setattr(world, "output", slow)
    async with console(world) as seat:
        await seat.press("j", "j", "l")
        await seat.sees("try 2 line 2999")
        await seat.burst(":22:02:00\n")
        await seat.settle()
        await seat.press("[")
        await seat.sees("try 1 line 2999")
        may_answer.set()
        await seat.settle()
        assert "try 1 line 2999" in seat.text


async def test_what_is_saved_is_of_the_try_that_was_shown_though_another_is_shown_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    world = busy_lab()
    async with console(world) as seat:
        await seat.press("j", "j", "l")
        await seat.sees("decode tile 0039")
        screen = seat.app.screen
        assert isinstance(screen, OutputScreen)
        tail, answer = screen._tail, world.output

        async def switching(job: str, **asked: Any) -> OutputPart:
            part = await answer(job, **{**asked, "limit": 1_000})
            tail.shown = replace(tail.shown, attempt=1)
            return part

        monkeypatch.setattr(world, "output", switching)
        await seat.press("S")
        await seat.sees("saved ")
    saved = tmp_path / "52118-try2-stdout.log"
    assert saved.read_bytes() == world.outputs[52118, 2, "stdout"]


async def test_a_byte_that_is_not_there_is_told() -> None:
    async with console(busy_lab()) as seat:
        await seat.press("j", "j", "l")
        await seat.sees("decode tile 0039")
        for number, words in (
            ("10", "decode tile 0000"),
            ("99999999", "there is no byte 99,999,9"),
        ):
            await seat.press(":")
            await seat.type(f"offset {number}")
            await seat.press("enter")
            await seat.sees(words)


async def test_output_is_given_to_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def lend() -> Iterator[None]:
        yield

    async with console(busy_lab()) as seat:
        await seat.press("j", "j", "l")
        await seat.sees("decode tile 0039")
        await seat.press("|")
        await seat.dialog("Give the output to", "less -R")
        await seat.press("enter")
        await seat.sees("this terminal cannot be lent to a command")
        monkeypatch.setattr(seat.app, "suspend", lend)
        await seat.press("|")
        await seat.dialog("Give the output to")
        await seat.press("ctrl+u")
        await seat.type(f"cat >{tmp_path}/given; exit 3")
        await seat.press("enter")
        await seat.sees("exit 3", "1.7 kB")
    assert (tmp_path / "given").read_bytes() == seat.world.outputs[52118, 2, "stdout"]

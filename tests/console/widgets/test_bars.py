from __future__ import annotations

import pytest
from textual.widgets import Input

from tests.console.views import HOSTILE_NAMES
from tests.console.widgets.stage import Stage, settle
from traffic_tui.widgets.command_bar import CommandBar
from traffic_tui.widgets.filter_bar import FilterBar, FilterProblem


def check(text: str) -> FilterProblem | None:
    place = text.find("::")
    return None if place < 0 else FilterProblem("no value after ':'", place)


def complete(text: str, cursor: int) -> list[tuple[int, int, str]]:
    begin = text.rfind(" ", 0, cursor) + 1
    fields = ("queue:", "quiet>", "state:")
    return [(begin, cursor, one) for one in fields if one.startswith(text[begin:cursor])]


class BarStage(Stage):
    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        self.said.append(event)

    def on_command_bar_entered(self, event: CommandBar.Entered) -> None:
        self.said.append(event)

    def on_command_bar_closed(self, event: CommandBar.Closed) -> None:
        self.said.append(event)

    def filters(self) -> list[str]:
        return [event.text for event in self.said if type(event) is FilterBar.Changed]


async def test_a_filter_works_while_it_is_typed_and_errs_below() -> None:
    bar = FilterBar(check, complete)
    stage = BarStage(bar)
    async with stage.run_test(size=(80, 10)) as pilot:
        await settle(pilot)
        assert stage.text().strip() == ""
        bar.open()
        await pilot.press(*"a:b")
        await settle(pilot)
        assert stage.filters() == ["a", "a:", "a:b"]
        await pilot.press("space", "x", "colon", "colon")
        await settle(pilot)
        assert bar.good_filter == "a:b x:"
        assert stage.line(0).strip() == "a:b x::"
        assert stage.line(1) == "      ^ no value after ':'"
        await pilot.press("enter")
        assert bar.has_class("-open")
        await pilot.press("backspace", "enter")
        await settle(pilot)
        assert not bar.is_open
        assert stage.text().strip() == ""


async def test_tab_puts_in_what_the_word_at_the_cursor_could_become() -> None:
    bar = FilterBar(check, complete)
    stage = BarStage(bar)
    async with stage.run_test(size=(80, 10)) as pilot:
        bar.open("x q !y")
        field = bar.query_one(Input)
        field.cursor_position = 3
        await pilot.press("u")
        await settle(pilot)
        assert stage.line(1).split() == ["queue:", "quiet>"]
        await pilot.press("tab")
        assert (field.value, field.cursor_position) == ("x queue: !y", 8)
        await pilot.press("tab")
        assert field.value == "x quiet> !y"
        await pilot.press("shift+tab")
        await settle(pilot)
        assert bar.good_filter == "x queue: !y"


async def test_tab_with_nothing_to_offer_stays_in_the_line() -> None:
    bar = FilterBar(check, complete)
    stage = BarStage(bar)
    async with stage.run_test(size=(80, 10)) as pilot:
        bar.open("zzz")
        await pilot.press("tab", "shift+tab", "x")
        assert bar.query_one(Input).value == "zzzx"


async def test_leaving_brings_back_the_filter_of_before() -> None:
    bar = FilterBar(check, complete)
    stage = BarStage(bar)
    async with stage.run_test(size=(80, 10)) as pilot:
        bar.set_filter("state:failed")
        bar.open()
        assert bar.query_one(Input).value == "state:failed "
        await pilot.press("x")
        await settle(pilot)
        assert bar.good_filter == "state:failed x"
        await pilot.press("escape")
        await settle(pilot)
        assert bar.good_filter == "state:failed"
        assert stage.filters() == ["state:failed", "state:failed x", "state:failed"]


async def test_a_problem_far_to_the_right_is_still_seen() -> None:
    bar = FilterBar(lambda text: FilterProblem("bad", 10_000), complete)
    stage = BarStage(bar)
    async with stage.run_test(size=(80, 10)) as pilot:
        bar.open("x" * 200)
        await settle(pilot)
        assert "^ bad" in stage.line(1)
        assert bar.problem


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_hostile_words_in_a_problem_do_no_harm(name: str) -> None:
    bar = FilterBar(lambda text: FilterProblem(name, 0), complete)
    stage = BarStage(bar)
    async with stage.run_test(size=(80, 10)) as pilot:
        bar.open("x")
        await settle(pilot)
        assert all(strip.cell_length == 80 for strip in stage.strips())
        assert "\x1b" not in stage.text()


WORDS = ("jobs", "queues", "runners", "quit")


def suggest(text: str) -> list[str]:
    return [word for word in WORDS if word.startswith(text)]


async def test_a_command_is_completed_entered_and_recalled() -> None:
    bar = CommandBar(suggest)
    stage = BarStage(bar)
    async with stage.run_test(size=(80, 10)) as pilot:
        bar.open()
        await settle(pilot)
        assert stage.line(1).split() == list(WORDS)
        await pilot.press("q")
        await settle(pilot)
        assert stage.line(1).split() == ["queues", "quit"]
        await pilot.press("tab")
        assert bar.query_one(Input).value == "queues"
        await pilot.press("tab")
        assert bar.query_one(Input).value == "quit"
        await pilot.press("shift+tab", "enter")
        await settle(pilot)
        assert isinstance(stage.said[-1], CommandBar.Entered)
        assert stage.said[-1].text == "queues"
        assert not bar.is_open
        bar.open()
        await pilot.press("up")
        assert bar.query_one(Input).value == "queues"
        await pilot.press("down", "escape")
        await settle(pilot)
        assert isinstance(stage.said[-1], CommandBar.Closed)


async def test_completing_nothing_does_nothing() -> None:
    bar = CommandBar(lambda text: ())
    stage = BarStage(bar)
    async with stage.run_test(size=(80, 10)) as pilot:
        bar.open("zzz")
        await pilot.press("tab", "shift+tab", "up", "down", "enter")
        await settle(pilot)
        assert isinstance(stage.said[-1], CommandBar.Entered)
        assert stage.said[-1].text == ""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.widgets import Input, Label

from tests.console.views import HOSTILE_NAMES
from tests.console.widgets.stage import Stage, settle
from traffic_tui.state.glyphs import ASCII, Span
from traffic_tui.widgets.dialog import Choice, ChoiceDialog, DialogScreen

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.pilot import Pilot

CHOICES = [
    Choice("y", "ask it to stop; kill it after 10s", "ask"),
    Choice("k", "kill it now", "kill"),
]
BOX = """\
┌─ Stop job 52118 resize-images? ────────┐
│ running on lab-07 for 12m40, 61% done  │
│ y  ask it to stop; kill it after 10s   │
│ k  kill it now                         │
│ enter or esc  leave it alone           │
└────────────────────────────────────────┘"""


TITLE = "Stop job 52118 resize-images?"


def dialog(late_keys_seconds: float = 0.0, title: str = TITLE) -> ChoiceDialog[str]:
    lines = [(Span("running on lab-07 for 12m40, 61% done "),)]
    return ChoiceDialog(title, lines, CHOICES, late_keys_seconds=late_keys_seconds)


class Asking(Stage):
    def __init__(self) -> None:
        super().__init__(Label("below"))
        self.answers: list[str | None] = []

    async def ask(self, screen: DialogScreen[str], pilot: Pilot[None]) -> None:
        await self.push_screen(screen, self.answers.append)
        await settle(pilot)


async def test_a_dialog_as_text() -> None:
    stage = Asking()
    async with stage.run_test(size=(80, 24)) as pilot:
        await stage.ask(dialog(), pilot)
        box = [line.strip() for line in stage.text().splitlines() if line.strip(" below")]
        assert "\n".join(box) == BOX


@pytest.mark.parametrize(
    ("key", "answer"), [("y", "ask"), ("k", "kill"), ("enter", None), ("escape", None)]
)
async def test_one_key_answers(key: str, answer: str | None) -> None:
    stage = Asking()
    async with stage.run_test(size=(80, 24)) as pilot:
        await stage.ask(dialog(), pilot)
        await pilot.press("z", key)
        await settle(pilot)
        assert stage.answers == [answer]


async def test_keys_of_the_first_moment_are_dropped() -> None:
    stage = Asking()
    async with stage.run_test(size=(80, 24)) as pilot:
        asked = dialog(late_keys_seconds=60.0)
        await stage.ask(asked, pilot)
        await pilot.press("y", "enter", "escape", "k")
        await settle(pilot)
        assert stage.answers == []
        asked._wake()
        await pilot.press("y")
        await settle(pilot)
        assert stage.answers == ["ask"]


class Typing(DialogScreen[str]):
    def compose(self) -> ComposeResult:
        yield Input()


async def test_an_input_in_a_dialog_gets_no_late_keys_either() -> None:
    stage = Asking()
    async with stage.run_test(size=(80, 24)) as pilot:
        asked = Typing(late_keys_seconds=60.0)
        await stage.ask(asked, pilot)
        await pilot.press("4", "0")
        asked._wake()
        await settle(pilot)
        await pilot.press("9", "7")
        assert asked.query_one(Input).value == "97"


async def test_a_dialog_wakes_by_itself() -> None:
    stage = Asking()
    async with stage.run_test(size=(80, 24)) as pilot:
        asked = dialog(late_keys_seconds=0.02)
        await stage.ask(asked, pilot)
        while not asked.is_awake:
            await pilot.pause(0.005)
        await pilot.press("k")
        await settle(pilot)
        assert stage.answers == ["kill"]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_hostile_names_keep_inside_the_box(name: str) -> None:
    stage = Asking()
    async with stage.run_test(size=(80, 24)) as pilot:
        asked = dialog(title=f"Stop {name}?")
        asked.glyphs = ASCII
        await stage.ask(asked, pilot)
        assert all(strip.cell_length == 80 for strip in stage.strips())
        rows = [line.strip() for line in stage.text().splitlines()[1:] if line.strip()]
        assert {row[0] + row[-1] for row in rows} == {"++", "||"}

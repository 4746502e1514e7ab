"""Dialogs on the lowest screen there may be: what is chosen, and the keys that do it, are seen."""

from __future__ import annotations

import pytest
from textual.containers import Vertical

from tests.console.screens.seeing import console, lab
from traffic_tui.screens.base import SMALLEST
from traffic_tui.widgets.line_table import LineTable


@pytest.mark.parametrize(("key", "words"), [("R", '"size": 2048'), ("+", "params")])
async def test_forms_have_their_keys_in_sight(key: str, words: str) -> None:
    async with console(lab(), SMALLEST) as seat:
        await seat.press(key)
        await seat.dialog(words, "ctrl+r submits")
        await seat.pilot.resize_terminal(80, 24)
        await seat.sees("esc leaves it alone")


@pytest.mark.parametrize("height", [15, 20, 24])
async def test_no_row_is_picked_out_of_sight(height: int) -> None:
    async with console(lab(), (80, height)) as seat:
        await seat.press("ctrl+p")
        await seat.dialog("Do what?", "Open the job under the cursor.")
        table = seat.app.screen.query_one(LineTable)
        box = table.parent
        assert isinstance(box, Vertical)
        await seat.until(lambda: table.region.bottom == box.region.bottom - 1, "it is cut")
        assert box.region.bottom <= height

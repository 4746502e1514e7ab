"""JSON for people: nothing of a name or an error reaches the terminal as anything but letters."""

from __future__ import annotations

import io
import json
import sys

import pytest

from traffic_tui.cli.printing import Printer, escaped

HOSTILE = "\x9b31m \x9d52;c;eA==\x9c \x1b[2J \x7f \u202egnp.exe \u2066 \u200b \U000e0041 \u2028 end"


@pytest.mark.parametrize("is_one_line", [False, True])
def test_json_on_a_terminal_cannot_be_obeyed(
    monkeypatch: pytest.MonkeyPatch, is_one_line: bool
) -> None:
    shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", shown)
    printer = Printer("json", True)
    print_it = printer.json_line if is_one_line else printer.document
    print_it({"name": HOSTILE})
    text = shown.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert text.replace("\n", "").isprintable()
    assert json.loads(text) == {"name": HOSTILE}


def test_json_in_a_pipe_stays_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", shown)
    Printer("json", False).document({"name": "\u202e"})
    assert shown.buffer.getvalue() == '{"name":"\u202e"}\n'.encode()  # type: ignore[attr-defined]


def test_letters_stay_letters() -> None:
    text = '{"name":"Zoë 日本 é"}'.encode()
    assert escaped(text) == text

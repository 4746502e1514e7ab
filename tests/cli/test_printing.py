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
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8"))
    printer = Printer("json", True)
    print_it = printer.json_line if is_one_line else printer.document
    print_it({"name": HOSTILE})
    text = written.getvalue().decode()
    assert text.replace("\n", "").isprintable()
    assert json.loads(text) == {"name": HOSTILE}


def test_json_in_a_pipe_stays_as_it_came(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8"))
    Printer("json", False).document({"name": "\u202e"})
    assert written.getvalue() == '{"name":"\u202e"}\n'.encode()


def test_letters_stay_letters() -> None:
    text = '{"name":"Zoë 日本 é"}'.encode()
    assert escaped(text) == text

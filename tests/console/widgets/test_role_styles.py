from __future__ import annotations

import pytest
from rich.style import Style

from traffic_tui.widgets.role_styles import words_and_padding

PLAIN, LINE = Style(), Style(bold=True, underline=True)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("failed", [("failed", LINE)]),
        ("failed   ", [("failed", LINE), ("   ", PLAIN)]),
        (" ✗ ", [(" ", PLAIN), ("✗", LINE), (" ", PLAIN)]),
        ("exit status 3", [("exit status 3", LINE)]),
        ("   ", [("   ", PLAIN)]),
        ("", [("", LINE)]),
    ],
)
def test_only_words_are_underlined(text: str, parts: list[tuple[str, Style]]) -> None:
    assert words_and_padding(text, LINE, PLAIN) == parts


def test_what_is_not_underlined_stays_in_one_piece() -> None:
    bold = Style(bold=True)
    assert words_and_padding(" a ", bold, PLAIN) == [(" a ", bold)]

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic_tui.state.clean_text import cells, strip_controls
from traffic_tui.state.folding import fold_to, fold_words


@pytest.mark.parametrize(
    ("text", "width", "rows"),
    [
        ("", 10, [""]),
        ("fits", 10, ["fits"]),
        ("it divides by zero", 10, ["it divides", "by zero"]),
        ("it divides by zero", 11, ["it divides", "by zero"]),
        ("abcdefghijkl", 5, ["abcde", "fghij", "kl"]),
        ("  indented words", 11, ["  indented", "words"]),
        ("漢字漢字", 5, ["漢字", "漢字"]),
    ],
)
def test_rows_break_at_blanks(text: str, width: int, rows: list[str]) -> None:
    assert fold_words(text, width) == rows


def test_later_rows_are_indented() -> None:
    assert fold_words("lab-07  no free slot: 4 of 4", 16, hang=2) == [
        "lab-07  no free",
        "  slot: 4 of 4",
    ]


@given(st.text(max_size=80).map(strip_controls), st.integers(4, 30), st.integers(0, 4))
def test_no_row_is_too_wide_and_no_word_is_lost(text: str, width: int, hang: int) -> None:
    rows = fold_words(text, width, hang=hang)
    assert all(cells(row) <= width for row in rows)
    assert "".join("".join(rows).split()) == "".join(text.split())


def test_what_is_left_out_is_marked() -> None:
    assert fold_to("one two three four", 9, 2) == ["one two", "three fo…"]
    assert fold_to("one two", 9, 2) == ["one two"]
    assert fold_to("", 9, 2) == [""]

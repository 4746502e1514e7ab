from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.console.views import HOSTILE_NAMES
from traffic_tui.state.clean_text import MAX_TEXT, cells, clean, crop, fit

any_text = st.text(
    st.characters() | st.sampled_from("\x1b\x9b[]m;0\r\n\t\u202e\u200d\ufe0f\u0301漢👩\ud800")
)


@given(any_text)
@example("\x1b[31")
@example("\x1b]0;never ended")
@example("\x9b31mred")
def test_nothing_that_moves_the_cursor_survives(text: str) -> None:
    shown = clean(text)
    categories = {unicodedata.category(character) for character in shown}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    shown.encode("utf-8")


@given(any_text)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@given(any_text, st.integers(0, 60), st.booleans())
def test_fitted_text_takes_exactly_its_cells(text: str, width: int, right: bool) -> None:
    assert cells(fit(clean(text), width, right=right)) == width


@given(any_text, st.integers(0, 60))
def test_cropped_text_is_a_beginning_of_the_text(text: str, width: int) -> None:
    shown = clean(text)
    cropped = crop(shown, width)
    assert cells(cropped) <= width
    assert shown.startswith(cropped.removesuffix("…")) or cropped == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("x[/nope]", "x[/nope]"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPdevice\x1b\\after", "after"),
        ("\x1bcreset", "reset"),
        ("a\nb\tc", "a b c"),
        ("\u202eevil\u202c", "evil"),
        ("zero\u200bwidth", "zerowidth"),
        ("\ud800", "\ufffd"),
        ("\u0301a", "a"),
    ],
)
def test_what_stays_of_hostile_text(text: str, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_text_is_capped(name: str) -> None:
    assert len(clean(name)) <= MAX_TEXT
    assert len(clean(name, 7)) <= 7


def test_marks_piled_on_one_letter_are_capped() -> None:
    assert len(clean("e" + "\u0301" * 50)) == 4


def test_a_wide_character_is_never_cut_in_half() -> None:
    assert fit("漢字漢字", 4) == "漢… "
    assert fit("漢字", 3) == "漢…"
    assert fit("漢字", 4) == "漢字"
    assert fit("漢", 1) == "…"

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from traffic_tui.state.contrast import READABLE, contrast, palette_rgb, readable
from traffic_tui.state.sgr import PLAIN, Run, SgrStyle, runs_of

hostile_bytes = st.binary(max_size=80) | st.text(
    st.sampled_from("\x1b[]0;38:5mKHJ\r\n\t\x07abc漢\x9b")
).map(lambda text: text.encode())
colours = st.tuples(*[st.integers(0, 255)] * 3)


@given(hostile_bytes)
@example(b"\x1b[38;5m")
@example(b"\x1b[38;2;1;2m")
@example(b"\x1b[999999999999999999m")
@example(b"\x1b[" + b";" * 500 + b"m")
def test_no_control_reaches_the_screen(raw: bytes) -> None:
    shown = "".join(run.text for run in runs_of(raw))
    categories = {unicodedata.category(character) for character in shown}
    assert not categories & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("raw", "runs"),
    [
        (b"plain", (Run("plain"),)),
        (b"", ()),
        (b"\x1b[31mred\x1b[0m.", (Run("red", SgrStyle(colour=1)), Run("."))),
        (b"\x1b[1;92mx", (Run("x", SgrStyle(colour=10, is_bold=True)),)),
        (b"\x1b[38;5;208mx", (Run("x", SgrStyle(colour=208)),)),
        (b"\x1b[48;2;1;2;3mx", (Run("x", SgrStyle(background=(1, 2, 3))),)),
        (b"\x1b[4m\x1b[24mx", (Run("x", PLAIN),)),
        (b"\x1b[mx", (Run("x"),)),
        (b"a\x1b[2Kb\x1b[Hc\x1b]0;t\x07d", (Run("abcd"),)),
        (b"10%\r20%\r30%", (Run("30%"),)),
        (b"done\r", (Run("done"),)),
        (b"a\tb", (Run("a       b"),)),
        (b"\xff\xfe", (Run("\ufffd\ufffd"),)),
    ],
)
def test_colours_stay_and_all_else_goes(raw: bytes, runs: tuple[Run, ...]) -> None:
    assert runs_of(raw) == runs


@given(colours, colours)
def test_any_colour_becomes_readable_on_any_ground(
    colour: tuple[int, int, int], ground: tuple[int, int, int]
) -> None:
    assert contrast(readable(colour, ground), ground) >= READABLE


def test_readable_colours_are_left_alone() -> None:
    assert readable((255, 255, 0), (0, 0, 0)) == (255, 255, 0)
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert palette_rgb(196) == (255, 0, 0)
    assert palette_rgb(232) == (8, 8, 8)

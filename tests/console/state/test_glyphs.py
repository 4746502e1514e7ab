from __future__ import annotations

import pytest

from server.model import JOB_STATES
from traffic_tui.state.clean_text import cells
from traffic_tui.state.glyphs import (
    ASCII,
    DRAWN,
    JOB_MARKS,
    QUEUE_MARKS,
    RUNNER_MARKS,
    choose_glyphs,
)


def test_every_state_has_a_mark_of_one_cell_in_both_sets() -> None:
    assert set(JOB_MARKS) == set(JOB_STATES)
    for mark in (*JOB_MARKS.values(), *RUNNER_MARKS.values(), *QUEUE_MARKS.values()):
        assert cells(mark.glyph) == cells(mark.ascii) == 1
        assert mark.ascii.isascii()


def test_no_two_states_of_a_list_look_alike() -> None:
    for marks in (JOB_MARKS, RUNNER_MARKS, QUEUE_MARKS):
        assert len({mark.glyph for mark in marks.values()}) == len(marks)
        assert len({mark.ascii for mark in marks.values()}) == len(marks)


def test_ascii_glyphs_are_ascii() -> None:
    assert all(text.isascii() for text in ASCII if isinstance(text, str))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LANG": "en_US.UTF-8", "TERM": "xterm-256color"}, DRAWN),
        ({"LANG": "C.utf8"}, DRAWN),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, ASCII),
        ({"LC_CTYPE": "de_DE.UTF-8"}, DRAWN),
        ({"LANG": "de_DE.UTF-8@euro"}, DRAWN),
        ({}, ASCII),
        ({"LANG": "en_US.UTF-8", "TERM": "linux"}, ASCII),
        ({"LANG": "en_US.UTF-8", "TERM": "dumb"}, ASCII),
        ({"LANG": "ja_JP.UTF-8"}, ASCII),
        ({"LANG": "zh_CN.UTF-8"}, ASCII),
    ],
)
def test_the_terminal_decides_which_glyphs_are_drawn(
    environ: dict[str, str], expected: object
) -> None:
    assert choose_glyphs(environ) is expected


def test_ascii_can_be_forced() -> None:
    assert choose_glyphs({"LANG": "en_US.UTF-8"}, force_ascii=True) is ASCII

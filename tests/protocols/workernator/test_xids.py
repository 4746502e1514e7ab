"""Ids that every parser of xids takes, and that name one job."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.protocols.workernator.xids import MAX_NUMBER, XidParts, parts_of, xid_of

FORM = re.compile(r"[0-9a-v]{19}[0g]")


@given(st.integers(1, MAX_NUMBER), st.integers(0, 2**41))
def test_an_id_says_which_job_it_is(number: int, created_at: int) -> None:
    xid = xid_of(number, created_at)
    assert FORM.fullmatch(xid)
    assert parts_of(xid) == XidParts(created_at // 1000 % 2**32, number)


@pytest.mark.parametrize(
    "text",
    ["", "9m4e2mr0ui3e8a215n4", "9m4e2mr0ui3e8a215n4ga", "9M4E2MR0UI3E8A215N4G", "w" * 20,
     "9m4e2mr0ui3e8a215n41", "9m4e2mr0ui3e8a215n4é", "0" * 19 + "=", "../../../etc/passwd\0"],
)  # fmt: skip
def test_what_is_no_xid_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="id"):
        parts_of(text)


def test_an_id_of_another_program_is_none_of_ours() -> None:
    assert parts_of("9m4e2mr0ui3e8a215n4g") is None


@pytest.mark.parametrize("number", [0, -1, MAX_NUMBER + 1])
def test_numbers_without_an_id(number: int) -> None:
    with pytest.raises(ValueError, match="xid"):
        xid_of(number, 0)

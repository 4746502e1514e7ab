"""Error texts that differ in numbers, ids and addresses have one cause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.filters import fold
from server.filters.causes import MAX_LENGTH, cause_of

SAME = (
    ("timeout after 600s", "timeout after 31.5s"),
    ("exit 10.3s after start", "exit 12.1s after start"),
    ("status 12345 of tile 7", "status 9876 of tile 1"),
    ("0192a7c4-1111-7000-8000-9f31c2d80000 gone", "0192a7c4-2222-7abc-8000-000000000000 gone"),
    ("no answer from 10.3.12.9:3000", "no answer from 127.0.0.1:80"),
    ("no answer from [fe80::1:2]", "no answer from [2001:db8::7:1]"),
    ("object at 0x7f2a1c", "object at 0x00BEEF"),
    ("commit 9f31c2d lost", "commit 0a1b2c3d4e5f lost"),
    ("at 2026-11-30 04:41:58", "at 2025-01-02 23:59:01"),
    ("line 3\n  of file", "line 412 of file"),
)  # fmt: skip
OTHERS = (
    ("exit 1", "exit 1: killed"),
    ("exit 137", "exit 1"),
    ("exit_status: exit status 3", "exit_status: exit status 4"),
    ("killed by signal 9 (SIGKILL)", "killed by signal 15 (SIGTERM)"),
    ("[Errno 28] no space", "[Errno 13] no space"),
    ("HTTP 503 of job 12", "HTTP 404 of job 12"),
    ("ImportError: tiles", "ImportError: faces"),
    ("", "5"),
    ("decade", "facade"),
    ("deadbeef-cafe-face-babe-decadefacade-1", "deadbeef-cafe-face-babe-facadedecade-1"),
)


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_varies_does_not_count(one: str, other: str) -> None:
    assert cause_of(one) == cause_of(other)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_words_count(one: str, other: str) -> None:
    assert cause_of(one) != cause_of(other)


phrases = st.lists(
    st.sampled_from(("exit", "code", "status", "http", " ", ":", "7", "0x", "ab", "-", "999", "."))
).map("".join)


@given(st.text(alphabet="0123456789abcdefx.:-_ #/\n*ßAİ", max_size=400))
def test_a_cause_is_its_own(text: str) -> None:
    cause = cause_of(fold(text))
    assert cause_of(cause) == cause
    assert len(cause) <= MAX_LENGTH


def test_a_very_long_text_is_looked_at_to_some_length() -> None:
    assert cause_of("x" * 5_000_000) == "x" * MAX_LENGTH

"""The page on RRQ's cases names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "rrq-cases.md"
PLACE = re.compile(r"`(tests/[\w/]+/)`")
"""Where the files of a section are."""
NAMED = re.compile(r"`([\w/]+\.py)?(?:::(test_\w+))?`")


def named_tests() -> list[tuple[str, str]]:
    """(file, test) of everything the page names; without a file, it is in the one before."""
    found: list[tuple[str, str]] = []
    folder, file = "tests/", ""
    for line in PAGE.read_text("utf-8").splitlines():
        if place := PLACE.search(line):
            folder = place[1]
        for match in NAMED.finditer(line):
            file = match[1] or file
            if file and (match[1] or match[2]):
                found.append((f"{folder}{file}", match[2] or ""))
    return found


@pytest.mark.parametrize(("file", "test"), sorted(set(named_tests())))
def test_what_the_page_names_is_there(file: str, test: str) -> None:
    path = ROOT / file
    assert path.is_file()
    assert not test or f"def {test}(" in path.read_text("utf-8")


def test_the_page_names_many() -> None:
    assert len(named_tests()) > 25

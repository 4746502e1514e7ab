"""Ranges on the command line, against a real coordinator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from traffic_tui.cli.failures import EXIT_DONE, EXIT_FAILED, EXIT_USAGE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Said

    Traffic = Callable[..., Said]

HOUR = 3_600_000_000
DAY = ("2024-01-01T00:00Z", "2024-01-02T00:00Z")


def test_a_range_is_submitted_shown_explained_and_stopped(traffic: Traffic) -> None:
    said = traffic("jobs", "submit", "range", "--range", *DAY, "-o", "name")
    assert said.code == EXIT_DONE, said
    number = said.out.strip()
    shown = traffic("jobs", "status", number).out
    assert "0% covered, 0s of 1d00, 25 waiting" in shown
    assert f"traffic-tui jobs list parent:{number}" in shown
    pieces = traffic("jobs", "list", f"parent:{number}", "--order", "number", "-o", "name").out
    assert len(pieces.split()) == 25
    piece = traffic("jobs", "status", pieces.split()[0]).out
    assert [line.split() for line in piece.splitlines() if line.startswith("piece of")] == [
        ["piece", "of", number]
    ]
    explained = traffic("jobs", "explain", number).out
    assert "0% covered; 25 waiting for a runner" in explained
    assert "connect a runner" in explained
    assert traffic("jobs", "stop", number, "--yes").code == EXIT_DONE
    shown = traffic("jobs", "status", number).out
    assert "1d00 missing" in shown
    assert "1704067200000000 to 1704153600000000 (1d00)" in shown


def test_pieces_are_listed_where_they_are_asked_for(traffic: Traffic) -> None:
    def listed(*words: str) -> int:
        return len(traffic("jobs", "list", *words, "-o", "name").out.split())

    traffic("jobs", "submit", "noop")
    assert listed() == 1
    traffic("jobs", "submit", "range", "--range", *DAY)
    assert listed() == 2
    assert len(json.loads(traffic("jobs", "list", "--json").out)["jobs"]) == 2
    assert listed("--pieces") == 27
    assert listed("state:pending") == 26


def test_what_is_left_out_is_said_beside_what_scripts_read(traffic: Traffic) -> None:
    traffic("jobs", "submit", "range", "--range", "0", str(HOUR - 1))
    said = traffic(
        "jobs", "submit", "range", "--range", "0", str(2 * HOUR - 1), "--range-policy", "missing",
        "-o", "name",
    )  # fmt: skip
    assert said.out.strip().isdigit()
    assert "(50%) were done or are being done by job 1" in said.err
    said = traffic(
        "jobs", "submit", "range", "--range", "5", "6", "--range-policy", "missing", "--json"
    )
    job = json.loads(said.out)["job"]
    assert (job["number"], job["cached"], said.err) == (1, True, "")
    assert job["note"]


def test_ends_that_make_no_sense_are_told_in_one_line(traffic: Traffic) -> None:
    for ends, code, words in (
        (("5", "3"), EXIT_FAILED, "traffic-tui: range: from (5) lies after"),
        (("soon", "3"), EXIT_USAGE, "--range: 'soon' is no place of a cursor"),
        (("0", "9" * 25), EXIT_FAILED, "cursors lie between"),
    ):
        said = traffic("jobs", "submit", "range", "--range", *ends)
        assert (said.code, said.out) == (code, ""), said
        assert words in said.err
        assert said.err.count("\n") == 1

"""The filter language: reading, complaining, matching, describing, suggesting."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.errors import InvalidInput
from server.filters import (
    Completion,
    FilterError,
    FilterRow,
    describe,
    parse,
    quoted,
    suggest,
)
from server.filters.parser import FIELDS
from server.filters.patterns import glob_matches
from server.filters.terms import STATE_WORDS

PAGE = (Path(__file__).parents[2] / "docs" / "filters.md").read_text("utf-8")
NOW = 1_700_000_000_000
ROW = FilterRow(
    id="0192a7c4-1111-7000-8000-9f31c2d80000",
    number=52118,
    type="resize-images",
    queue="gpu",
    state="in_progress",
    priority=5,
    attempts=2,
    owner="ci",
    origin="runpack",
    requires={"arch": "arm"},
    runner="lab-07",
    runner_id="0192b000-0000-7000-8000-000000000000",
    labels={"os": "Linux", "rack": "r12"},
    error="ImportError: no module named 'tiles_v3'",
    created_at=NOW - 3_600_000,
    since=NOW - 600_000,
    heard_at=NOW - 41_000,
    progress=61.0,
    schedule="nightly",
    params=b'{"user": 7, "name": "Ana", "deep": {"a": [1, "x"]}, "on": true, "none": null}',
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "state:in_progress",
        "state:running",
        "state:RUNNING,failed",
        "state:active",
        "state:in*",
        "status:running",
        "!state:failed",
        "queue:gpu",
        "queue=GPU",
        "queue:cpu,gpu",
        "type:resize*",
        "type:*-images",
        "runner:lab*",
        "runner:0192b000-0000-7000-8000-000000000000",
        "label.os:linux",
        "LABEL.OS:linux",
        "label.rack:*",
        "label.arch:arm",
        "args.user:7",
        "args.name:ana",
        "args.deep.a:x",
        "args.deep.a:1",
        "args.on:true",
        "args.none:null",
        "args.name:*",
        "priority>4",
        "priority:5",
        "priority>=5 priority<=5 priority<6",
        "priority:1,5",
        "pri>4.5",
        "try>1",
        "owner:ci",
        "by:CI",
        "origin:runpack",
        "schedule:night*",
        "schedule:*",
        "id:0192a7",
        "id:*9f31c2d8*",
        "number:52118",
        "number>52000",
        'error:"ImportError*"',
        "error:tiles",
        "cause:\"ImportError: no module named 'tiles_v17'\"",
        "cause:\"importerror: no module named 'tiles_v#'\"",
        'cause:"ImportError*"',
        "error:\"importerror: no module named 'tiles_v3'\"",
        "quiet>40s",
        "quiet<42",
        "age>59m",
        "age<1h1s",
        "for>=10m",
        "for<2h",
        "progress>60%",
        "progress<61.5",
        "52118",
        "521",
        "0192a7",
        "RESIZE",
        "gpu",
        "lab",
        "tiles_v3",
        '"no module"',
        "*module*",
        "!word",
        '!"two words"',
        "!error:timeout !queue:cpu",
        "state:running queue:gpu age>10m for<2h runner:lab* label.os:linux args.user:7 !word",
    ],
)
def test_what_fits(text: str) -> None:
    assert parse(text).matches(ROW, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "state:failed",
        "!state:running",
        "queue:gp",
        "queue:cpu",
        "type:images",
        "runner:lab",
        "label.os:win",
        "label.none:*",
        "args.user:8",
        "args.none.deep:*",
        "args.user.x:*",
        "args.other:*",
        "priority>5",
        "priority:4",
        "try>2",
        "owner:c",
        "id:192a7",
        "number:5211",
        "number<52118",
        'error:"module*"',
        "cause:tiles",
        'cause:""',
        "quiet>41s",
        "age>1h",
        "for<10m",
        "progress<61",
        "2118",
        "92a7",
        "module*",
        "word",
        "gpu cpu",
        "queue:gpu !tiles",
    ],
)
def test_what_does_not_fit(text: str) -> None:
    assert not parse(text).matches(ROW, NOW)


@pytest.mark.parametrize(
    ("text", "position", "length", "words"),
    [
        ("stat:x", 0, 4, "there is no field stat; did you mean state?"),
        ("queue:a http://x", 8, 4, 'write "http:..." in quotes'),
        ("state:faild", 6, 5, "did you mean failed?"),
        ("state:failed,zzz", 13, 3, "there is no state zzz; there are scheduled,"),
        ("state:", 6, 1, "state wants a value"),
        ("queue:a,", 8, 1, "queue wants a value"),
        ("queue:,a", 6, 1, "queue wants a value"),
        ('queue:"abc', 6, 4, "the quote is not closed"),
        ('x "abc', 2, 4, "the quote is not closed"),
        ('""', 0, 2, "the quotes are empty"),
        ("!", 0, 1, "! wants a term after it"),
        ("a ! b", 2, 1, "! wants a term after it"),
        ("age:5m", 3, 1, "age wants < or >"),
        ("age>5x", 4, 2, "5x is no duration"),
        ("age>1m,2m", 7, 2, "age takes one duration"),
        ("priority>x", 9, 1, "x is no number, which priority wants"),
        ("priority>1,2", 11, 1, "takes one number"),
        ("queue>5", 5, 1, "queue is no number"),
        ("label.:x", 0, 6, "wants a name before the colon"),
        ("args.a..b:x", 0, 9, "wants a name before the colon"),
        ("x" * 1001, 1000, 1, "at most 1000 characters"),
        ("a " * 33, 64, 1, "at most 32 terms"),
    ],
)
def test_a_complaint_says_what_and_where(text: str, position: int, length: int, words: str) -> None:
    with pytest.raises(FilterError, match=re.escape(words)) as caught:
        parse(text)
    assert (caught.value.position, caught.value.length) == (position, length)
    assert caught.value.details == {"position": position, "length": length}
    assert isinstance(caught.value, InvalidInput)
    assert caught.value.status == 400


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place_inside_it(text: str) -> None:
    try:
        parse(text).matches(ROW, NOW)
    except FilterError as error:
        assert 0 <= error.position <= len(text)
        assert error.length >= 1


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_asterisks_match_as_a_regular_expression_would(pattern: str, text: str) -> None:
    expected = re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text) is not None
    if "*" in pattern:
        assert glob_matches(pattern, text) is expected


@given(st.text(alphabet='ab*\\" ,:\n', max_size=8), st.text(alphabet='ab*\\" ,:\n', max_size=8))
def test_a_text_in_quotes_fits_itself_alone(text: str, other: str) -> None:
    found = parse(f"type:{quoted(text)}")
    assert found.matches(replace(ROW, type=text), NOW)
    assert found.matches(replace(ROW, type=other), NOW) == (other == text)


def test_many_asterisks_take_no_time() -> None:
    assert not glob_matches("*a" * 400 + "b", "a" * 100_000)


@pytest.mark.parametrize("params", [b"", b"{", b"[" * 100_000, b'"\xff"', b"9" * 10_000])
def test_parameters_that_are_no_json_fit_nothing(params: bytes) -> None:
    row = FilterRow("", 1, "", "", "pending", params=params)
    assert not parse("args.a:*").matches(row, NOW)


def test_what_only_active_jobs_have_is_unknown_of_others() -> None:
    row = FilterRow("", 1, "", "", "completed", heard_at=1, progress=5)
    for text in ("quiet>1s", "quiet<1s", "progress<9", "progress>1"):
        assert not parse(text).matches(row, NOW)
        assert parse(f"!{text}").matches(row, NOW)


def test_a_filter_in_words() -> None:
    text = "state:failed,stopped queue:gpu !age>90m number:1,2 priority>5 label.os:linux x"
    assert describe(parse(text)) == (
        'failed or stopped, queue "gpu", not submitted for more than 1h30m, number 1 or 2, '
        'priority above 5, label os "linux", with "x" in id, number, type, queue, runner or error'
    )
    assert describe(parse("")) == "all jobs"


def test_suggestions_are_for_the_word_at_the_cursor() -> None:
    assert suggest("sta", 3) == [Completion(0, 3, "state:")]
    assert suggest("queue:x sta more", 11) == [Completion(8, 11, "state:")]
    assert suggest("!state:fai", 10) == [Completion(7, 10, "failed")]
    assert [one.text for one in suggest("state:failed,st", 15)] == ["stopping", "stopped"]
    assert suggest("queue:gp", 8) == []
    assert suggest('"sta', 4) == []
    assert [one.text for one in suggest("ag", 2)] == ["age>"]
    assert {one.text for one in suggest("", 0)} >= {"state:", "label.", "args.", "priority"}


def test_every_suggested_field_is_one() -> None:
    for completion in suggest("", 0):
        text = completion.text
        ended = text + "x:1" if text.endswith(".") else text
        value = {":": "pending", ">": "5m"}.get(ended[-1], "" if ended.endswith("1") else ">5")
        parse(ended + value)


def test_the_page_for_people_names_what_there_is_and_nothing_else() -> None:
    cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    examples = [example for cell in cells for example in re.findall(r"`([^`]+)`", cell)]
    commands = re.findall(r"jobs list '([^']+)'", PAGE)
    for text in (*examples, *commands):
        parse(text)
    for name in (*FIELDS, *STATE_WORDS):
        assert re.search(rf"\b{re.escape(name)}", PAGE), name

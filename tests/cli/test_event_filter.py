"""Which events a filter lets through."""

from __future__ import annotations

import re

import pytest

from server.wire.operator import EventView, RunnerRef
from traffic_tui.cli.event_filter import parse_event_filter
from traffic_tui.cli.values import BadValue

UUID = "0192a7c4-1111-7000-8000-000000000001"


def event(**changed: object) -> EventView:
    fields: dict[str, object] = {
        "seq": 7, "at": 1_700_000_000_000, "kind": "failed", "job": UUID, "number": 12,
        "jobs": [12], "attempt": 1, "runner": RunnerRef(id="r", name="lab-07"),
        "queue": "gpu", "actor": "lab-07", "reason": "Exit 3", "data": None,
    }  # fmt: skip
    return EventView(**{**fields, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "is_wanted"),
    [
        ("", True),
        ("kind:failed", True),
        ("kind:fail*", True),
        ("kind:stopped", False),
        ("kind:stopped,failed", True),
        ("!kind:stopped,failed", False),
        ("kind:stopped,claimed", False),
        ("job:11,12", True),
        ('queue:"a,b",gpu', True),
        ("job:12", True),
        ("job:1", False),
        (f"job:{UUID}", True),
        (f"job:{UUID[:8]}", True),
        ("runner:lab*", True),
        ("!runner:lab*", False),
        ("queue:gpu actor:lab-07", True),
        ("queue:gpu actor:sam", False),
        ("exit", True),
        ("EXIT", True),
        ("!exit", False),
    ],
)
def test_filter(text: str, is_wanted: bool) -> None:
    assert parse_event_filter([text]).matches(event()) is is_wanted


def test_only_the_asterisk_stands_for_anything() -> None:
    odd = event(queue="a[1]?", runner=RunnerRef(id="r", name="lab[7]"))
    assert parse_event_filter(["queue:a[1]?", "runner:lab[7]"]).matches(odd)
    assert parse_event_filter(["runner:*[7]"]).matches(odd)
    assert not parse_event_filter(["queue:?[[]1]?"]).matches(odd)


def test_names_with_spaces_stand_in_quotes() -> None:
    spaced = event(queue="my queue", runner=RunnerRef(id="r", name="box one: b"))
    assert parse_event_filter(['queue:"my queue"', 'runner:"box one: b"']).matches(spaced)
    assert parse_event_filter(['"my q" !"my x"']).matches(spaced)
    assert not parse_event_filter(['queue:"my q"']).matches(spaced)
    assert parse_event_filter(['runner:"box one: b"']).exact("runner") == "box one: b"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('queue:"my queue', "the quote is not closed"),
        ("kind:complted", "did you mean completed?"),
        ("kind:xyz*", "no such kind of event"),
        ("kind:failed,complted", "did you mean completed?"),
        ("kind:,", "nothing stands behind the colon"),
        ('runner:""', "nothing stands behind the colon"),
    ],
)
def test_what_can_match_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(BadValue, match=re.escape(words)):
        parse_event_filter([text])


def test_an_event_of_many_jobs_is_found_by_any_of_them() -> None:
    batch = event(job=None, number=None, jobs=[5, 6], runner=None)
    assert parse_event_filter(["job:6"]).matches(batch)
    assert not parse_event_filter(["runner:lab*"]).matches(batch)


def test_one_plain_value_can_be_looked_up_by_the_coordinator() -> None:
    wanted = parse_event_filter(["job:12", "runner:lab*", "!actor:sam"])
    assert wanted.exact("job") == "12"
    assert wanted.exact("runner") is None
    assert parse_event_filter(["job:12,13"]).exact("job") is None
    assert wanted.exact("actor") is None


def test_unknown_keys_are_refused_with_those_that_exist() -> None:
    with pytest.raises(BadValue, match="kind, job, runner, queue, actor"):
        parse_event_filter(["state:failed"])
    with pytest.raises(BadValue, match="behind the colon"):
        parse_event_filter(["job:"])

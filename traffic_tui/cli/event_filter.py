"""Which events are wanted: ``kind:failed job:52118 runner:lab* !queue:"my queue" words``. Pure."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple, get_args

from server.events import EventKind
from server.filters.patterns import glob_matches
from traffic_tui.cli.values import BadValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import EventView

KEYS = ("kind", "job", "runner", "queue", "actor")
KINDS = get_args(EventKind)

_WORD = re.compile(r'(?:"[^"]*"|[^\s"])+')
"""What stands in quotes keeps its spaces, as in the filter of jobs."""
_VALUE = re.compile(r'(?:"[^"]*"|[^,"])+')
"""One of several values with commas between them."""


class Term(NamedTuple):
    """One condition; an empty key stands for a word anywhere."""

    key: str
    patterns: tuple[str, ...]
    """One of them has to fit."""
    is_inverted: bool


class EventFilter(NamedTuple):
    """All terms have to hold."""

    terms: tuple[Term, ...] = ()

    def matches(self, event: EventView) -> bool:
        return all(_holds(term, event) != term.is_inverted for term in self.terms)

    def exact(self, key: str) -> str | None:
        """The one value asked for, where the coordinator can look it up by itself."""
        for term in self.terms:
            if term.key == key and not term.is_inverted and len(term.patterns) == 1:
                [pattern] = term.patterns
                if "*" not in pattern:
                    return pattern
        return None


def parse_event_filter(words: Sequence[str]) -> EventFilter:
    """Words as typed, already split by the shell or not.

    Raises:
        BadValue: a quote is not closed, or there is no such key or kind.
    """
    text = " ".join(words)
    if text.count('"') % 2:
        raise BadValue(f"{text!r}: the quote is not closed")
    return EventFilter(tuple(_term(word) for word in _WORD.findall(text)))


def _term(word: str) -> Term:
    is_inverted = word.startswith("!")
    text = word.removeprefix("!")
    key, colon, pattern = text.partition(":")
    if not colon or '"' in key:
        return Term("", (text.replace('"', "").lower(),), is_inverted)
    if key not in KEYS:
        raise BadValue(f"{word!r}: there is no {key!r} to filter by; there are {', '.join(KEYS)}")
    patterns = tuple(value.replace('"', "") for value in _VALUE.findall(pattern))
    if not all(patterns) or not patterns:
        raise BadValue(f"{word!r}: nothing stands behind the colon")
    for one in patterns if key == "kind" else ():
        if not any(_is_like(kind, one) for kind in KINDS):
            raise BadValue(f"{word!r}: there is no such kind of event{_nearest(one)}")
    return Term(key, patterns, is_inverted)


def _nearest(pattern: str) -> str:
    near = get_close_matches(pattern, KINDS, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _holds(term: Term, event: EventView) -> bool:
    return any(_fits(term.key, pattern, event) for pattern in term.patterns)


def _fits(key: str, pattern: str, event: EventView) -> bool:
    if key == "job":
        return _is_about_job(pattern, event)
    if not key:
        return any(pattern in value.lower() for value in _words_of(event))
    return _is_like(_value(key, event), pattern)


def _is_like(value: str, pattern: str) -> bool:
    """Whether all of it fits; an asterisk stands for anything, every other sign for itself."""
    return glob_matches(pattern, value) if "*" in pattern else value == pattern


def _is_about_job(pattern: str, event: EventView) -> bool:
    numbers = [str(number) for number in event.jobs]
    if event.number is not None:
        numbers.append(str(event.number))
    by_id = event.job is not None and len(pattern) >= 6 and event.job.startswith(pattern)
    return by_id or any(_is_like(number, pattern) for number in numbers)


def _value(key: str, event: EventView) -> str:
    if key == "runner":
        return event.runner.name if event.runner else ""
    return str(getattr(event, key))


def _words_of(event: EventView) -> list[str]:
    return [event.kind, event.queue, event.actor, event.reason, _value("runner", event)]

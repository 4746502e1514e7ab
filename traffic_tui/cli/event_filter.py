"""Which events are wanted: ``kind:failed job:52118 runner:lab* !queue:gpu words``. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, NamedTuple

from traffic_tui.cli.values import BadValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import EventView

KEYS = ("kind", "job", "runner", "queue", "actor")


class Term(NamedTuple):
    """One condition; an empty key stands for a word anywhere."""

    key: str
    pattern: str
    is_inverted: bool


class EventFilter(NamedTuple):
    """All terms have to hold."""

    terms: tuple[Term, ...] = ()

    def matches(self, event: EventView) -> bool:
        return all(_holds(term, event) != term.is_inverted for term in self.terms)

    def exact(self, key: str) -> str | None:
        """The one value asked for, where the coordinator can look it up by itself."""
        for term in self.terms:
            if term.key == key and not term.is_inverted and "*" not in term.pattern:
                return term.pattern
        return None


def parse_event_filter(words: Sequence[str]) -> EventFilter:
    """Words as typed, already split by the shell or not."""
    return EventFilter(tuple(_term(word) for word in " ".join(words).split()))


def _term(word: str) -> Term:
    is_inverted = word.startswith("!")
    text = word.removeprefix("!")
    key, colon, pattern = text.partition(":")
    if not colon:
        return Term("", text.lower(), is_inverted)
    if key not in KEYS:
        raise BadValue(f"{word!r}: there is no {key!r} to filter by; there are {', '.join(KEYS)}")
    if not pattern:
        raise BadValue(f"{word!r}: nothing stands behind the colon")
    return Term(key, pattern, is_inverted)


def _holds(term: Term, event: EventView) -> bool:
    if term.key == "job":
        return _is_about_job(term.pattern, event)
    if not term.key:
        return any(term.pattern in value.lower() for value in _words_of(event))
    return fnmatchcase(_value(term.key, event), term.pattern)


def _is_about_job(pattern: str, event: EventView) -> bool:
    numbers = [str(number) for number in event.jobs]
    if event.number is not None:
        numbers.append(str(event.number))
    by_id = event.job is not None and len(pattern) >= 6 and event.job.startswith(pattern)
    return by_id or any(fnmatchcase(number, pattern) for number in numbers)


def _value(key: str, event: EventView) -> str:
    if key == "runner":
        return event.runner.name if event.runner else ""
    return str(getattr(event, key))


def _words_of(event: EventView) -> list[str]:
    return [event.kind, event.queue, event.actor, event.reason, _value("runner", event)]

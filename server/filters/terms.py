"""What a filter is made of, and whether a job fits it.

A filter is true of a job when all its terms are. The store turns the same terms into a query; a
property test holds that both choose the same jobs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from server.filters.causes import cause_of
from server.filters.patterns import Pattern, argument_matches, fold
from server.model import ACTIVE_STATES, JOB_STATES, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping

TextField = Literal[
    "id", "type", "queue", "runner", "owner", "origin", "schedule", "error", "cause"
]
NumberField = Literal["number", "priority", "try", "progress", "parent"]
AgeField = Literal["age", "for", "quiet"]
Operator = Literal["<", "<=", ">", ">=", "="]

TEXT_FIELDS: Final[tuple[TextField, ...]] = get_args(TextField)
NUMBER_FIELDS: Final[tuple[NumberField, ...]] = get_args(NumberField)
AGE_FIELDS: Final[tuple[AgeField, ...]] = get_args(AgeField)


@dataclass(frozen=True, slots=True)
class FilterRow:
    """A job as a filter sees it."""

    id: str
    number: int
    type: str
    queue: str
    state: JobState
    priority: int = 0
    attempts: int = 0
    owner: str = ""
    origin: str = ""
    requires: Mapping[str, str] = field(default_factory=dict)
    runner: str = ""
    """Name of the newest attempt's runner."""
    runner_id: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """That runner's."""
    error: str = ""
    """Type and message of the newest attempt's outcome, ``type: message``."""
    created_at: int = 0
    since: int = 0
    heard_at: int = 0
    progress: float | None = None
    """Percent."""
    params: bytes = b""
    schedule: str = ""
    """Name of the schedule that made it."""
    parent: int = 0
    """Number of the job whose range it is a piece of; 0: of none."""


@dataclass(frozen=True, slots=True)
class StateTerm:
    """``state:failed,stopped``"""

    states: frozenset[JobState]

    def matches(self, row: FilterRow, now: int) -> bool:
        return row.state in self.states


@dataclass(frozen=True, slots=True)
class TextTerm:
    """``queue:gpu``, ``error:"ImportError*"``. The pattern of ``cause`` is a cause already, not a
    text that has one (:func:`server.filters.causes.cause_of`)."""

    field: TextField
    patterns: tuple[Pattern, ...]

    def matches(self, row: FilterRow, now: int) -> bool:
        if self.field == "runner":
            texts: tuple[str, ...] = (row.runner, row.runner_id) if row.runner_id else ()
        elif self.field == "schedule":
            texts = (row.schedule,) if row.schedule else ()
        elif self.field == "cause":
            texts = (cause_of(fold(row.error)),)
        else:
            texts = (getattr(row, self.field),)
        return any(pattern.fits(text) for text in texts for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class LabelTerm:
    """``label.os:linux``: what the job requires, or what its runner has."""

    name: str
    patterns: tuple[Pattern, ...]

    def matches(self, row: FilterRow, now: int) -> bool:
        return label_matches(self, row.requires) or label_matches(self, row.labels)


@dataclass(frozen=True, slots=True)
class ArgumentTerm:
    """``args.user:7``"""

    path: tuple[str, ...]
    patterns: tuple[Pattern, ...]

    def matches(self, row: FilterRow, now: int) -> bool:
        return argument_matches(row.params, self.path, self.patterns)


@dataclass(frozen=True, slots=True)
class NumberTerm:
    """``priority>5``, ``number:1,2``, ``parent:7``. Only active jobs have a ``progress``."""

    field: NumberField
    operator: Operator
    values: tuple[float, ...]

    def matches(self, row: FilterRow, now: int) -> bool:
        value: float | None
        if self.field == "try":
            value = row.attempts
        elif self.field == "progress":
            value = row.progress if row.state in ACTIVE_STATES else None
        else:
            value = getattr(row, self.field)
        return value is not None and any(
            compare(value, self.operator, wanted) for wanted in self.values
        )


@dataclass(frozen=True, slots=True)
class AgeTerm:
    """``age>10m`` since it was submitted, ``for`` in its state, ``quiet`` while active."""

    field: AgeField
    operator: Operator
    milliseconds: int

    def matches(self, row: FilterRow, now: int) -> bool:
        if self.field == "quiet":
            if row.state not in ACTIVE_STATES or not row.heard_at:
                return False
            began = row.heard_at
        else:
            began = row.created_at if self.field == "age" else row.since
        return compare(now - began, self.operator, self.milliseconds)


@dataclass(frozen=True, slots=True)
class WordTerm:
    """A word: the beginning of an id or number, or part of a name or error text."""

    word: Pattern

    def matches(self, row: FilterRow, now: int) -> bool:
        names = self.names
        return (
            self.beginning.fits(row.id)
            or self.beginning.matches(str(row.number))
            or names.fits(row.type)
            or names.fits(row.queue)
            or (bool(row.runner_id) and names.fits(row.runner))
            or names.fits(row.error)
        )

    @property
    def beginning(self) -> Pattern:
        return self.word if self.word.mode == "glob" else Pattern(self.word.text, "begins")

    @property
    def names(self) -> Pattern:
        return self.word


Term: TypeAlias = StateTerm | TextTerm | LabelTerm | ArgumentTerm | NumberTerm | AgeTerm | WordTerm


@dataclass(frozen=True, slots=True)
class Condition:
    """A term, or its opposite."""

    term: Term
    is_negated: bool = False

    def matches(self, row: FilterRow, now: int) -> bool:
        return self.term.matches(row, now) is not self.is_negated


@dataclass(frozen=True, slots=True)
class Filter:
    """All of its conditions must hold; none at all fits every job."""

    text: str
    conditions: tuple[Condition, ...] = ()

    def matches(self, row: FilterRow, now: int) -> bool:
        """Whether a job fits at ``now``, in milliseconds since the epoch."""
        return all(condition.matches(row, now) for condition in self.conditions)


def compare(value: float, operator: Operator, wanted: float) -> bool:
    if operator == "<":
        return value < wanted
    if operator == "<=":
        return value <= wanted
    if operator == ">":
        return value > wanted
    if operator == ">=":
        return value >= wanted
    return value == wanted


def label_matches(term: LabelTerm, labels: Mapping[str, str]) -> bool:
    """Whether a set of labels has one that fits."""
    return any(
        fold(name) == term.name and any(pattern.fits(value) for pattern in term.patterns)
        for name, value in labels.items()
    )


STATE_WORDS: Final[dict[str, tuple[JobState, ...]]] = {
    **{state: (state,) for state in JOB_STATES},
    "running": ("in_progress",),
    "waiting": ("scheduled", "pending"),
    "active": ("claimed", "in_progress", "stopping"),
    "finished": ("completed", "failed", "stopped", "expired"),
}
"""What may stand after ``state:``."""

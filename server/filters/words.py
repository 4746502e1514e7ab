"""Filters for people: what one means in words, and what could come next while it is typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from server.durations import duration_words
from server.filters.parser import FIELDS
from server.filters.terms import (
    AGE_FIELDS,
    NUMBER_FIELDS,
    STATE_WORDS,
    AgeTerm,
    ArgumentTerm,
    LabelTerm,
    NumberTerm,
    StateTerm,
    TextTerm,
)
from server.model import JOB_STATES

if TYPE_CHECKING:
    from server.filters.patterns import Pattern
    from server.filters.terms import Filter, Operator, Term


class Completion(NamedTuple):
    """Something that could stand in place of the text between ``begin`` and ``end``."""

    begin: int
    end: int
    text: str


_AGES: Final = {"age": "submitted", "for": "in this state", "quiet": "silent"}
_OPERATORS: Final[dict[Operator, str]] = {
    "<": "below",
    "<=": "at most",
    ">": "above",
    ">=": "at least",
    "=": "",
}


def describe(found: Filter) -> str:
    """The filter in words, for a dialog that asks before acting on all that match."""
    if not found.conditions:
        return "all jobs"
    return ", ".join(
        f"not {_words(condition.term)}" if condition.is_negated else _words(condition.term)
        for condition in found.conditions
    )


def _words(term: Term) -> str:
    if isinstance(term, StateTerm):
        return " or ".join(state for state in JOB_STATES if state in term.states)
    if isinstance(term, TextTerm):
        return f"{term.field} {_any_of(term.patterns)}"
    if isinstance(term, LabelTerm):
        return f"label {term.name} {_any_of(term.patterns)}"
    if isinstance(term, ArgumentTerm):
        return f"argument {'.'.join(term.path)} {_any_of(term.patterns)}"
    if isinstance(term, NumberTerm):
        numbers = " or ".join(
            f"{value:g}" if value % 1 else str(int(value)) for value in term.values
        )
        return " ".join(filter(None, (term.field, _OPERATORS[term.operator], numbers)))
    if isinstance(term, AgeTerm):
        than = "for less than" if term.operator.startswith("<") else "for more than"
        return f"{_AGES[term.field]} {than} {duration_words(term.milliseconds)}"
    return f"with {_any_of((term.word,))} in id, number, type, queue, runner or error"


def _any_of(patterns: tuple[Pattern, ...]) -> str:
    signs = {"whole": "", "begins": "beginning with ", "contains": "", "glob": ""}
    return " or ".join(f'{signs[one.mode]}"{one.text}"' for one in patterns)


def quoted(text: str) -> str:
    """A text as the value of a filter that fits nothing else: in quotes where there is more in it
    than letters and digits."""
    if re.fullmatch(r"[\w.\-/@#]+", text):
        return text
    return '"' + re.sub(r'[\\"*]', r"\\\g<0>", text) + '"'


def suggest(text: str, cursor: int) -> list[Completion]:
    """What the word at the cursor could become: fields, and states after ``state:``."""
    begin = _word_begin(text, cursor)
    if begin < cursor and text[begin] == "!":
        begin += 1
    word = text[begin:cursor]
    name, colon, _ = word.partition(":")
    if colon and name.lower() in ("state", "status", "is"):
        begin = max(text.rfind(mark, begin, cursor) for mark in ":,") + 1
        typed = text[begin:cursor].lower()
        return [
            Completion(begin, cursor, state)
            for state in STATE_WORDS
            if state.startswith(typed) and state != typed
        ]
    if any(mark in word for mark in ':<>="'):
        return []
    return [
        Completion(begin, cursor, _with_sign(field))
        for field in FIELDS
        if field.startswith(word.lower())
    ]


def _with_sign(field: str) -> str:
    if field.endswith("."):
        return field
    return field + (">" if field in AGE_FIELDS else "" if field in NUMBER_FIELDS else ":")


def _word_begin(text: str, cursor: int) -> int:
    """Where the word at the cursor begins; quotes hold a word together."""
    begin = 0
    is_quoted = False
    for place in range(cursor):
        if text[place] == '"':
            is_quoted = not is_quoted
        elif text[place].isspace() and not is_quoted:
            begin = place + 1
    return begin

"""Reading a filter: text in, conditions or a complaint with its place out."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from server.durations import parse_duration_ms
from server.errors import InvalidInput
from server.filters.causes import cause_of
from server.filters.patterns import Pattern, fold
from server.filters.terms import (
    AGE_FIELDS,
    NUMBER_FIELDS,
    STATE_WORDS,
    TEXT_FIELDS,
    AgeTerm,
    ArgumentTerm,
    Condition,
    Filter,
    LabelTerm,
    NumberTerm,
    StateTerm,
    TextTerm,
    WordTerm,
)

if TYPE_CHECKING:
    from server.filters.patterns import Mode
    from server.filters.terms import AgeField, NumberField, Operator, Term, TextField
    from server.model import JobState

MAX_LENGTH: Final = 1000
"""Characters of a filter."""
MAX_CONDITIONS: Final = 32
_FIELD: Final = re.compile(r"([A-Za-z_][\w.\-]*)(<=|>=|[:<>=])")
_NUMBER: Final = re.compile(r"[+-]?\d{1,18}(\.\d{1,9})?")
_ALIASES: Final = {
    "by": "owner",
    "tries": "try",
    "attempt": "try",
    "attempts": "try",
    "pri": "priority",
    "uuid": "id",
    "job": "number",
    "kind": "type",
    "status": "state",
    "is": "state",
}
FIELDS: Final[tuple[str, ...]] = (
    "state",
    *TEXT_FIELDS,
    "by",
    *NUMBER_FIELDS,
    *AGE_FIELDS,
    "label.",
    "args.",
)
"""What may stand before the colon; the last two are followed by a name."""


class FilterError(InvalidInput):
    """A filter that makes no sense: what is wrong, and where."""

    default_code = "invalid_filter"

    def __init__(self, message: str, position: int, length: int) -> None:
        super().__init__(message, details={"position": position, "length": length})
        self.position = position
        self.length = length


class _Value(NamedTuple):
    """One alternative after a field."""

    text: str
    position: int
    length: int
    is_quoted: bool
    is_glob: bool
    """Whether an asterisk in it stands for anything."""


class _Field(NamedTuple):
    name: str
    operator: Operator | None
    """None: the colon."""
    position: int
    length: int


def parse_filter(text: str) -> Filter:
    """Read a filter.

    Raises:
        FilterError: it makes no sense; the error knows where.
    """
    return _Parser(text).filter()


class _Parser:
    """Walks once over the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def filter(self) -> Filter:
        if len(self._text) > MAX_LENGTH:
            raise FilterError(f"a filter has at most {MAX_LENGTH} characters", MAX_LENGTH, 1)
        conditions: list[Condition] = []
        while self._skip_space():
            if len(conditions) == MAX_CONDITIONS:
                raise FilterError(f"a filter has at most {MAX_CONDITIONS} terms", self._place, 1)
            conditions.append(self._condition())
        return Filter(self._text, tuple(conditions))

    def _skip_space(self) -> bool:
        while self._place < len(self._text) and self._text[self._place].isspace():
            self._place += 1
        return self._place < len(self._text)

    def _condition(self) -> Condition:
        is_negated = self._text[self._place] == "!"
        if is_negated:
            self._place += 1
            if self._place == len(self._text) or self._text[self._place].isspace():
                raise FilterError("! wants a term after it", self._place - 1, 1)
        return Condition(self._term(), is_negated)

    def _term(self) -> Term:
        found = _FIELD.match(self._text, self._place)
        if found is None:
            return self._word()
        name, sign = found[1], found[2]
        place = _Field(
            _ALIASES.get(name.lower(), name.lower()),
            None if sign == ":" else sign,  # type: ignore[arg-type]
            found.start(),
            len(name),
        )
        known = place.name in FIELDS or place.name.startswith(("label.", "args."))
        if not known:
            self._refuse_field(name, found)
        self._place = found.end()
        return self._field_term(place, name, self._values(place))

    def _word(self) -> Term:
        value = self._value(stops="")
        if not value.text:
            raise FilterError("the quotes are empty", value.position, value.length)
        return WordTerm(_pattern(value, "contains"))

    # values ----------------------------------------------------------------------------

    def _values(self, place: _Field) -> list[_Value]:
        values = [self._alternative(place)]
        while self._place < len(self._text) and self._text[self._place] == ",":
            self._place += 1
            values.append(self._alternative(place))
        return values

    def _alternative(self, place: _Field) -> _Value:
        value = self._value(stops=",")
        if not value.text and not value.is_quoted:
            raise FilterError(
                f"{place.name} wants a value here", min(self._place, len(self._text)), 1
            )
        return value

    def _value(self, *, stops: str) -> _Value:
        if self._place < len(self._text) and self._text[self._place] == '"':
            return self._quoted()
        begin = self._place
        while self._place < len(self._text):
            letter = self._text[self._place]
            if letter.isspace() or letter in stops:
                break
            self._place += 1
        text = self._text[begin : self._place]
        return _Value(text, begin, self._place - begin, False, "*" in text)

    def _quoted(self) -> _Value:
        begin = self._place
        letters: list[str] = []
        is_glob = False
        place = begin + 1
        while place < len(self._text) and self._text[place] != '"':
            if self._text[place] == "\\" and place + 1 < len(self._text):
                place += 1
            elif self._text[place] == "*":
                is_glob = True
            letters.append(self._text[place])
            place += 1
        if place >= len(self._text):
            raise FilterError("the quote is not closed", begin, len(self._text) - begin)
        self._place = place + 1
        return _Value("".join(letters), begin, self._place - begin, True, is_glob)

    # fields ----------------------------------------------------------------------------

    def _refuse_field(self, name: str, found: re.Match[str]) -> NoReturn:
        near = get_close_matches(name.lower(), (*FIELDS, *_ALIASES), n=1, cutoff=0.6)
        hint = f"did you mean {near[0]}?" if near else f'write "{name}{found[2]}..." in quotes'
        raise FilterError(f"there is no field {name}; {hint}", found.start(), len(name))

    def _field_term(self, place: _Field, name: str, values: list[_Value]) -> Term:
        if place.name in AGE_FIELDS:
            return _age_term(place, place.name, values)
        if place.name in NUMBER_FIELDS:
            return _number_term(place, place.name, values)
        if place.operator not in (None, "="):
            raise FilterError(
                f"{place.name} is no number: write {place.name}:VALUE",
                place.position + place.length,
                len(place.operator),
            )
        if place.name == "state":
            return StateTerm(frozenset(state for value in values for state in _states(value)))
        if place.name.startswith("label."):
            return LabelTerm(_part_name(place, "label"), _patterns(values, "whole"))
        if place.name.startswith("args."):
            _part_name(place, "args")
            return ArgumentTerm(tuple(name.split(".")[1:]), _patterns(values, "whole"))
        return _text_term(place.name, values)  # type: ignore[arg-type]


def _part_name(place: _Field, kind: str) -> str:
    name = place.name.partition(".")[2]
    if not name or name.startswith(".") or name.endswith(".") or ".." in name:
        raise FilterError(
            f"{kind}. wants a name before the colon, as in {kind}.name:value",
            place.position,
            place.length,
        )
    return fold(name)


def _text_term(name: TextField, values: list[_Value]) -> TextTerm:
    mode: Mode = "begins" if name == "id" else "contains" if name == "error" else "whole"
    patterns = _patterns(values, mode)
    if name == "cause":  # any text of it names it
        patterns = tuple(Pattern(cause_of(one.text), one.mode) for one in patterns)
    return TextTerm(name, patterns)


def _patterns(values: list[_Value], mode: Mode) -> tuple[Pattern, ...]:
    return tuple(_pattern(value, mode) for value in values)


def _pattern(value: _Value, mode: Mode) -> Pattern:
    return Pattern(fold(value.text), "glob" if value.is_glob else mode)


def _states(value: _Value) -> tuple[JobState, ...]:
    word = value.text.lower().replace("-", "_")
    if word in STATE_WORDS:
        return STATE_WORDS[word]
    pattern = _pattern(value, "whole")
    fitting = tuple(
        state for name, states in STATE_WORDS.items() if pattern.fits(name) for state in states
    )
    if fitting:
        return fitting
    near = get_close_matches(word, STATE_WORDS, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(STATE_WORDS)}"
    raise FilterError(f"there is no state {value.text}; {hint}", value.position, value.length)


def _age_term(place: _Field, name: AgeField, values: list[_Value]) -> AgeTerm:
    value = values[0]
    if place.operator in (None, "="):
        raise FilterError(
            f"{name} wants < or >, as in {name}>10m", place.position + place.length, 1
        )
    if len(values) > 1:
        raise FilterError(f"{name} takes one duration", values[1].position, values[1].length)
    milliseconds = parse_duration_ms(value.text)
    if milliseconds is None:
        raise FilterError(
            f"{value.text} is no duration; write 90s, 10m, 2h or 1d",
            value.position,
            value.length,
        )
    return AgeTerm(name, place.operator, milliseconds)


def _number_term(place: _Field, name: NumberField, values: list[_Value]) -> NumberTerm:
    operator: Operator = place.operator or "="
    if operator != "=" and len(values) > 1:
        second = values[1]
        raise FilterError(f"{name}{operator} takes one number", second.position, second.length)
    numbers: list[float] = []
    for value in values:
        text = value.text.removesuffix("%") if name == "progress" else value.text
        if _NUMBER.fullmatch(text) is None:
            raise FilterError(
                f"{value.text} is no number, which {name} wants", value.position, value.length
            )
        numbers.append(float(text) if "." in text else int(text))
    return NumberTerm(name, operator, tuple(numbers))

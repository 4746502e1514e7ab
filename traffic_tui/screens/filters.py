"""Filters as the lists use them: what is wrong with one, and the ones behind single keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.filters import FilterError, parse_filter
from traffic_tui.widgets.filter_bar import FilterProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TYPING_PAUSE_SECONDS = 0.15
"""How long a filter stands before it is asked for."""
JOB_PROBLEMS = "state:failed,expired"
"""Jobs that need somebody."""
COUNT_FILTERS = {
    1: "",
    2: "state:scheduled,pending",
    3: "state:claimed,running,stopping",
    4: "state:failed",
    5: JOB_PROBLEMS,
}
"""The counts in the header, as filters."""


def job_filter_problem(text: str) -> FilterProblem | None:
    """Why a filter on jobs makes no sense, or None."""
    try:
        parse_filter(text)
    except FilterError as error:
        return FilterProblem(error.message, error.position)
    return None


def field_filter_problem(text: str, fields: Mapping[str, object]) -> FilterProblem | None:
    """Why a filter on a short list makes no sense, or None: only its fields may be named."""
    position = 0
    for word in text.split():
        position = text.index(word, position)
        name, colon, _ = word.lstrip("!").partition(":")
        if colon and name not in fields and not name.startswith("label."):
            return FilterProblem(f"{name}: known here are {', '.join(fields)}", position)
        position += len(word)
    return None


def field_completions(text: str, cursor: int, fields: Iterable[str]) -> list[tuple[int, int, str]]:
    """The fields that the word at the cursor could become."""
    begin = max(text.rfind(mark, 0, cursor) for mark in " !") + 1
    word = text[begin:cursor].lower()
    return [
        (begin, cursor, name if name.endswith(".") else f"{name}:")
        for name in fields
        if name.startswith(word)
    ]


def fits_fields(text: str, fields: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether what is known of a row fits a filter made of words and ``field:value``."""
    return all(_fits_word(word, fields, labels) for word in text.lower().split())


def _fits_word(word: str, fields: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    if word.startswith("!"):
        return len(word) == 1 or not _fits_word(word[1:], fields, labels)
    name, colon, wanted = word.partition(":")
    if not colon:
        return any(word in value.lower() for value in (*fields.values(), *labels.values()))
    if name.startswith("label."):
        value = labels.get(name.removeprefix("label."), "")
    else:
        value = fields.get(name, "")
    return any(_fits_value(one, value.lower()) for one in wanted.split(","))


def _fits_value(wanted: str, value: str) -> bool:
    """Whole values, where ``*`` stands for anything."""
    head, star, rest = wanted.partition("*")
    if not star:
        return value == wanted
    if not value.startswith(head):
        return False
    value = value[len(head) :]
    *middle, last = rest.split("*")
    for part in middle:
        place = value.find(part)
        if place < 0:
            return False
        value = value[place + len(part) :]
    return value.endswith(last)

"""The list of groups: jobs by what went wrong, by type, queue or runner. Columns and contents."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import EMPTY, UNBOUNDED, Cell, Column
from traffic_tui.state.formats import age, count, day_and_time, marked_age, share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from server.wire.operator import GroupView, TallyView
    from traffic_tui.state.row_context import RowContext

    GroupCell: TypeAlias = Callable[[GroupView, RowContext, int], Cell]

GROUPINGS: tuple[str, ...] = ("error", "type", "queue", "runner")
"""By what jobs are grouped, in the order in which a key goes through them."""
MOST_LINES = 12
"""Of an error text, where all is told of a group."""
NO_ERROR = "(no error was told)"
"""The name of jobs that failed without a word."""

_COUNT = Column("count", " JOBS", 0, 7, 9, is_right=True, order="jobs")
_SHARE = Column("share", "SHARE", 4, 5, 5, is_right=True)
_TYPE = Column("types", "TYPE", 2, 14, 24)
_QUEUE = Column("queues", "QUEUE", 5, 8, 14)
_RUNNERS = Column("runners", "RUNNERS", 1, 9, 14)
_FIRST = Column("first", "SINCE", 0, 6, 6, is_right=True, order="first")
_LAST = Column("last", "LAST", 3, 5, 5, is_right=True, ages=True, order="last")
_NEWEST = Column("newest", "NEWEST", 6, 8, 10, is_right=True)


def group_columns(by: str) -> tuple[Column, ...]:
    """The columns of a grouping; what all jobs of a group have in common has none of its own."""
    label, width = ("CAUSE", 34) if by == "error" else (by.upper(), 20)
    name = Column("name", label, 0, width, UNBOUNDED, grows=True, order="name")
    others = {"type": _TYPE, "queue": _QUEUE, "runner": _RUNNERS}
    told = (column for key, column in others.items() if key != by)
    return (_COUNT, _SHARE, name, *told, _FIRST, _LAST, _NEWEST)


def group_cell(group: GroupView, key: str, context: RowContext, by: str, total: int) -> Cell:
    """What stands in the column ``key`` of a group's row; ``total`` jobs are in all of them."""
    if key == "count":
        return Cell(count(group.count))
    if key == "share":
        return Cell(share(group.count, total))
    if key == "name":
        return Cell(group_name(group.name), "bad" if by == "error" else "plain")
    if key in ("types", "queues", "runners"):
        return Cell(most_of(getattr(group, key), group.count))
    if key == "newest":
        return Cell(str(group.newest.number))
    return _when(group, key, context)


def _when(group: GroupView, key: str, context: RowContext) -> Cell:
    if key == "first":
        return Cell(_time_or_day(group.first, context)) if group.first else EMPTY
    passed = context.now - group.last
    return Cell(marked_age(passed, "?") if context.is_stale else age(passed))


def _time_or_day(at: int, context: RowContext) -> str:
    """``02:31`` of today, ``11-29`` of another day."""
    text = day_and_time(at, context.zone, now=context.now)
    return text[:5] if len(text) == len("02:31:04") else text[5:10]


def group_name(name: str) -> str:
    return clean(name, 400) or NO_ERROR


def most_of(tally: TallyView, jobs: int) -> str:
    """The one name there is; the one that most jobs have, and how many others; else how many."""
    if not tally.top:
        return ""
    first = tally.top[0]
    if tally.number == 1:
        return clean(first.name)
    if 2 * first.count > jobs:
        return f"{clean(first.name)} +{tally.number - 1}"
    return count(tally.number)


def jobs_words(number: int) -> str:
    return f"{count(number)} job{'' if number == 1 else 's'}"


def group_note(group: GroupView, by: str) -> str:
    """Where a group's jobs are, and what the newest of them says."""
    parts = [f"newest {group.newest.number}"]
    if group.example:
        parts[0] += f": {clean(group.example, 200)}"
    tallies = (("type", group.types), ("queue", group.queues), ("runner", group.runners))
    parts += [
        words for name, tally in tallies if name != by and (words := _tally_words(tally, name))
    ]
    return "; ".join(parts)


def group_words(group: GroupView, context: RowContext) -> list[str]:
    """All that is known of a group, a line each."""
    first, last = (
        day_and_time(at, context.zone, now=context.now) for at in (group.first, group.last)
    )
    lines = [
        f"{jobs_words(group.count)} from {first} to {last}, the newest is {group.newest.number}"
    ]
    if group.example:
        lines += ["", *(clean(line, 400) for line in group.example.splitlines()[:MOST_LINES])]
    named = (("type", group.types), ("queue", group.queues), ("runner", group.runners))
    told = [
        f"{f'{noun}s':<9}{words}" for noun, tally in named if (words := _all_words(tally, noun))
    ]
    return [*lines, "", *told, "", group.filter]


def _all_words(tally: TallyView, noun: str) -> str:
    """The one name there is, else the most frequent ones with their jobs."""
    if tally.number == 1:
        return clean(tally.top[0].name)
    return _tally_words(tally, noun)


def _tally_words(tally: TallyView, noun: str) -> str:
    """``resize-images 31,004, fetch-tiles 9,093 and 2 more types``; nothing where all have one."""
    if tally.number < 2:
        return ""
    told = ", ".join(f"{clean(one.name)} {count(one.count)}" for one in tally.top)
    more = tally.number - len(tally.top)
    return f"{told} and {count(more)} more {noun}{'' if more == 1 else 's'}" if more else told


def group_wants(groups: Iterable[GroupView]) -> Mapping[str, int]:
    """Widths that the contents want."""
    wants: dict[str, int] = {}
    for group in groups:
        texts = {key: most_of(getattr(group, key), group.count) for key in _TALLIES}
        for key, text in texts.items():
            wants[key] = max(wants.get(key, 0), len(text))
    return wants


_TALLIES: Sequence[str] = ("types", "queues", "runners")

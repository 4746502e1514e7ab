"""Jobs that are alike, in words: the columns of ``jobs list --by``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.cli.tables import Column, span
from traffic_tui.state.formats import age, count, day_and_time
from traffic_tui.state.group_columns import group_name, most_of

if TYPE_CHECKING:
    from server.wire.operator import GroupView
    from traffic_tui.cli.tables import Look
    from traffic_tui.state.glyphs import Role, Span


def _since(group: GroupView, look: Look) -> Span:
    return span(day_and_time(group.first, "local", now=look.now_ms))


def group_columns(by: str) -> tuple[Column[GroupView], ...]:
    """The columns of a grouping; what all jobs of a group have in common has none of its own."""
    label = "CAUSE" if by == "error" else by.upper()
    role: Role = "bad" if by == "error" else "plain"
    others: dict[str, Column[GroupView]] = {
        "type": Column("TYPES", lambda group, _: span(most_of(group.types, group.count))),
        "queue": Column("QUEUES", lambda group, _: span(most_of(group.queues, group.count))),
        "runner": Column("RUNNERS", lambda group, _: span(most_of(group.runners, group.count))),
    }
    return (
        Column("JOBS", lambda group, _: span(count(group.count)), is_right=True),
        Column(label, lambda group, _: span(group_name(group.name), role), is_flexible=True),
        *(column for key, column in others.items() if key != by),
        Column("SINCE", _since),
        Column("LAST", lambda group, look: span(age(look.now_ms - group.last)), is_right=True),
        Column("NEWEST", lambda group, _: span(group.newest.number), is_right=True),
        Column("FILTER", lambda group, _: span(group.filter), is_wide=True),
    )

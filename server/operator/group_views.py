"""Groups of jobs as the operator API shows them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.filters import fold, quoted
from server.filters.causes import cause_of
from server.wire.operator import CountedName, GroupsView, GroupView, JobRefView, TallyView

if TYPE_CHECKING:
    from server.store.base import Grouping, JobGroup, JobGroups, Tally

MAX_EXAMPLE = 1_000
"""Characters of an error text."""


def groups_view(found: JobGroups, by: Grouping, filter_text: str) -> GroupsView:
    """Groups of the jobs that a filter gives, each with the filter that gives its own."""
    return GroupsView(
        groups=[_group_view(group, by, filter_text.strip()) for group in found.groups],
        number=found.number,
        count=found.jobs,
        count_is_exact=found.is_whole,
    )


def _group_view(group: JobGroup, by: Grouping, filter_text: str) -> GroupView:
    number, uuid = group.newest
    return GroupView(
        name=_name(group) if by == "error" else group.name,
        filter=" ".join(filter(None, (filter_text, _term(group, by)))),
        count=group.jobs,
        first=group.first,
        last=group.last,
        newest=JobRefView(id=uuid, number=number),
        example=group.text[:MAX_EXAMPLE] if by == "error" else "",
        types=_tally_view(group.types),
        queues=_tally_view(group.queues),
        runners=_tally_view(group.runners),
    )


def _name(group: JobGroup) -> str:
    return cause_of(group.text) if group.is_varied else group.text[:MAX_EXAMPLE]


def _term(group: JobGroup, by: Grouping) -> str:
    """What of a filter gives the group's jobs among others."""
    if by != "error":
        return f"{by}:{quoted(group.name)}"
    if not group.name:
        return 'cause:"" state:failed,expired'
    as_told = cause_of(group.text)
    is_same = cause_of(fold(as_told)) == group.name  # else folding made it longer
    return f"cause:{quoted(as_told if is_same else group.name)}"


def _tally_view(tally: Tally) -> TallyView:
    return TallyView(
        top=[CountedName(name=name, count=count) for name, count in tally.top],
        number=tally.number,
    )

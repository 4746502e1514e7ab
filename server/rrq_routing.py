"""Which group of RRQ runners does which job, by the job's type and queue.

A type ``GROUP#handler`` names its group. A plain handler's name goes where its queue is routed,
else to the default group, as with RRQ's own orchestrator; there the same is decided when a job is
taken from its queue, here when it is submitted, so that its type says where it goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.placement import matches_type
from server.wire.rrq import QUEUE_PREFIX

if TYPE_CHECKING:
    from server.settings import RrqGroupSettings, RrqSettings

SEPARATOR = "#"
"""Between the group and the handler in a job's type."""


def types_of(name: str, group: RrqGroupSettings) -> tuple[str, ...]:
    """The job types that a group does, as patterns."""
    return group.types or (own_types(name),)


def own_types(name: str) -> str:
    """The types that name a group, as a pattern."""
    return f"{name}{SEPARATOR}*"


def bare_queue(queue: str) -> str:
    """A queue's name without what RRQ puts before it."""
    return queue.removeprefix(QUEUE_PREFIX)


def routed_type(rrq: RrqSettings, job_type: str, queue: str) -> str:
    """The type of a job, with the group that it is routed to where it names none.

    Types that a group was given by name stay as they are, and so does what is routed nowhere.
    """
    if not (rrq.default_runner or rrq.routes):
        return job_type
    group, separator, handler = job_type.partition(SEPARATOR)
    plain = handler if separator else group
    if not plain or (separator and group):
        return job_type
    if any(matches_type(types_of(name, one), job_type) for name, one in rrq.runners.items()):
        return job_type
    to = _route(rrq, bare_queue(queue))
    return f"{to}{SEPARATOR}{plain}" if to else job_type


def _route(rrq: RrqSettings, queue: str) -> str:
    """The group of a queue's plain handlers; empty: none."""
    for name in (queue, QUEUE_PREFIX + queue):
        if name in rrq.routes:
            return rrq.routes[name]
    return rrq.default_runner

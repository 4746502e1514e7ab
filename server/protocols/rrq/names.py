"""What things of ours are called in RRQ's world: handlers, queues, runners."""

from __future__ import annotations

from server.rrq_routing import SEPARATOR
from server.wire.rrq import QUEUE_PREFIX


def handler_of(job_type: str) -> str:
    """The bare name of a job's handler; empty: the type names none."""
    group, separator, handler = job_type.partition(SEPARATOR)
    return handler if separator else group


def queue_key(queue: str) -> str:
    """A queue as RRQ calls it, whether or not it was called so before."""
    return queue if queue.startswith(QUEUE_PREFIX) else f"{QUEUE_PREFIX}{queue}"


def member_name(group: str, index: int) -> str:
    """A runner of a group: one process, or the one that listens somewhere."""
    return f"{group}/{index}"

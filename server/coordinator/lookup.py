"""Finding one job."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.coordinator.results import JobSnapshot
from server.errors import InvalidInput, NotFound, Refused
from server.ids import MIN_PREFIX, UUID_PATTERN

if TYPE_CHECKING:
    from server.coordinator.memory import Memory
    from server.model import Job
    from server.store.base import Tx

MAX_NUMBER = 2**63 - 1
PREFIX = re.compile(r"[0-9a-f-]{1,36}")


def resolve(tx: Tx, text: str) -> Job:
    """The job of that number, UUID, or unambiguous beginning of a UUID."""
    wanted = text.strip().lower()
    if wanted.isascii() and wanted.isdigit() and int(wanted[:20]) <= MAX_NUMBER:
        job = tx.job(int(wanted[:20]))
        if job is not None:
            return job
    if UUID_PATTERN.fullmatch(wanted):
        return _by_uuid(tx, wanted)
    if PREFIX.fullmatch(wanted) and len(wanted) >= MIN_PREFIX:
        return _by_prefix(tx, wanted)
    if wanted.isascii() and wanted.isdigit():
        raise NotFound(f"there is no job {text[:40]}")
    raise InvalidInput(
        f"{text.strip()[:40]!r} is no job: give its number, its UUID, "
        f"or at least {MIN_PREFIX} characters of the UUID's beginning"
    )


def _by_uuid(tx: Tx, uuid: str) -> Job:
    job = tx.job_by_uuid(uuid)
    if job is not None:
        return job
    tombstone = tx.tombstone(uuid)
    if tombstone is not None:
        raise NotFound(f"job {uuid} was deleted by {tombstone.deleted_by}", code="deleted")
    raise NotFound(f"there is no job {uuid}")


def _by_prefix(tx: Tx, prefix: str) -> Job:
    jobs = tx.jobs_by_prefix(prefix, 2)
    if not jobs:
        words = "" if prefix.isdigit() else "whose UUID begins with "  # who types digits means it
        raise NotFound(f"there is no job {words}{prefix}")
    if len(jobs) > 1:
        raise Refused(
            f"{prefix} fits several jobs; give more characters, or the number", code="ambiguous"
        )
    return jobs[0]


def job_snapshot(tx: Tx, memory: Memory, uuid: str) -> JobSnapshot | None:
    """A job with what belongs to it."""
    job = tx.job_by_uuid(uuid)
    if job is None:
        return None
    attempt = tx.attempts([job.attempt])[job.attempt][1] if job.attempt else None
    return JobSnapshot(
        job,
        tx.details(job.id),
        tx.job_class(job.cls),
        attempt,
        memory.runner(attempt.runner) if attempt else None,
        tx.progress(attempt.id) if attempt else None,
        tx.outcome(attempt.id) if attempt else None,
    )

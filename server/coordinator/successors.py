"""Jobs made from jobs: by somebody who wants one again, or by its policy after a loss."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from server.coordinator.submit import insert
from server.ids import new_uuid
from server.store.base import NewJob

if TYPE_CHECKING:
    from server.coordinator.memory import Memory
    from server.model import Actor, Job, JobDetails
    from server.store.base import Tx


def fresh_job(old: Job, *, cls: int, now: int) -> Job:
    """A job like ``old`` at its beginning, in a class."""
    return old._replace(
        id=0,
        uuid=new_uuid(),
        cls=cls,
        state="pending",
        since=now,
        created_at=now,
        run_at=0,
        attempt=0,
        attempts=0,
        tries=0,
        losses=0,
        wanted="run",
        deadline=0,
        target=0,
    )


def make_successor(
    tx: Tx, memory: Memory, actor: Actor, old: Job, details: JobDetails, now: int
) -> Job:
    """A new job in place of one that failed with its runner; it may have one successor less.

    As long as the old one might have waited, the new one may wait too.
    """
    patience_ms = old.deadline - old.created_at if old.deadline else 0
    job = fresh_job(old, cls=old.cls, now=now)
    job = job._replace(deadline=now + patience_ms if patience_ms > 0 else 0)
    retry = replace(details.retry, restarts=details.retry.restarts - 1)
    inherited = details._replace(retry=retry, resubmit_of=old.id, cache_key=None)
    made = insert(tx, memory, actor, [NewJob(job, inherited)], now, reason="its runner was lost")
    tx.append(
        "resubmitted",
        at=now,
        job=old.id,
        actor=actor.name,
        reason="its runner was lost",
        data=msgspec.json.encode({"as": made[0].id, "restarts_left": retry.restarts}),
    )
    return made[0]

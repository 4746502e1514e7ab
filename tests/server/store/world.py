"""Jobs, runners and attempts for tests of a store, made with its own operations."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from server.ids import new_uuid
from server.model import Attempt, Job, JobDetails, Outcome, Runner, Session
from server.schedules import Schedule, ScheduledTask
from server.store.base import Change, Committed, NewAttempt, NewJob
from server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from server.clock import ManualClock
    from server.model import JobState, OutcomeKind
    from server.store.base import Store, Tx

T = TypeVar("T")
START = 1_700_000_000_000


@dataclass
class World:
    """A store with a clock, and short ways to fill it."""

    store: Store
    clock: ManualClock
    commits: list[Committed] = field(default_factory=list)

    @property
    def now(self) -> int:
        return self.clock.now_ms()

    async def run(self, operation: Callable[[Tx], T]) -> T:
        return await self.store.apply(operation)

    async def submit(self, number: int = 1, **facts: Any) -> list[Job]:
        return await self.run(lambda tx: insert(tx, self.now, number, **facts))

    async def job(self, job_id: int) -> Job:
        job = await self.run(lambda tx: tx.job(job_id))
        assert job is not None
        return job

    async def runner(self, name: str = "lab-1", **facts: object) -> Runner:
        made = a_runner(name, self.now, **facts)
        return await self.run(lambda tx: tx.insert_runner(made))

    async def claim(self, jobs: Sequence[Job], runner: int = 1, session: int = 1) -> list[Attempt]:
        return await self.run(lambda tx: claim(tx, jobs, self.now, runner, session))

    async def finish(
        self, attempts: Sequence[Attempt], state: JobState = "completed", **said: object
    ) -> None:
        await self.run(lambda tx: finish(tx, attempts, self.now, state, **said))


def details(
    params: bytes = b"{}", owner: str = "ci", origin: str = "operator-api", **facts: object
) -> JobDetails:
    return JobDetails(params, owner, origin, **facts)  # type: ignore[arg-type]


def a_job(cls: int, now: int, **facts: object) -> Job:
    job = Job(0, new_uuid(), cls, "pending", 0, now, now, 0, 0, 0, 0, 1, 0, "run", 0, 0)
    return job._replace(**facts)  # type: ignore[arg-type]


def insert(
    tx: Tx,
    now: int,
    number: int = 1,
    *,
    queue: str = "default",
    type: str = "noop",
    requires: Mapping[str, str] | None = None,
    pin: int = 0,
    detail: JobDetails | None = None,
    **facts: object,
) -> list[Job]:
    """Insert ``number`` jobs alike."""
    cls = tx.intern_class(queue, type, requires or {}, pin).id
    return tx.insert_jobs(
        [NewJob(a_job(cls, now, **facts), detail or details()) for _ in range(number)]
    )


def a_runner(name: str, now: int, **facts: object) -> Runner:
    return Runner(
        id=0,
        uuid=new_uuid(),
        protocol=str(facts.pop("protocol", "native-v2")),
        identity=str(facts.pop("identity", name)),
        name=name,
        capacity=4,
        types=("*",),
        labels=facts.pop("labels", {}),  # type: ignore[arg-type]
        address="127.0.0.1",
        version="1",
        registered_at=now,
        last_seen_at=now,
        **facts,  # type: ignore[arg-type]
    )


def a_schedule(name: str) -> Schedule:
    return Schedule(
        id=0,
        name=name,
        cron="0 0 1 1 *",
        time_zone="UTC",
        overlap="skip",
        catch_up_ms=0,
        task=ScheduledTask("a"),
        params=b"{}",
        owner="ci",
        origin="operator-api",
        is_configured=False,
        created_at=1,
        changed_at=1,
    )


def a_session(runner: int, now: int, nonce: str = "boot-1") -> Session:
    return Session(0, new_uuid(), runner, "native-v2", nonce, "digest", "here", now)


def claim(
    tx: Tx, jobs: Sequence[Job], now: int, runner: int = 1, session: int = 1
) -> list[Attempt]:
    """Give the jobs, as they now are, to a runner that confirms at once."""
    current = tx.jobs([job.id for job in jobs])
    before = [current[job.id] for job in jobs]
    attempts = tx.insert_attempts(
        [
            NewAttempt(new_uuid(), job.id, job.attempts + 1, runner, session, True, 0)
            for job in before
        ],
        at=now,
    )
    tx.save(
        [
            Change(
                job,
                job._replace(
                    state="in_progress", since=now, attempt=attempt.id, attempts=attempt.number
                ),
            )
            for job, attempt in zip(before, attempts, strict=True)
        ]
    )
    return attempts


def finish(
    tx: Tx,
    attempts: Sequence[Attempt],
    now: int,
    state: JobState = "completed",
    **said: object,
) -> None:
    """End attempts, and their jobs in ``state``."""
    kind: OutcomeKind = "success" if state == "completed" else "error"
    outcome = Outcome(kind, **said)  # type: ignore[arg-type]
    tx.save(
        [
            Change(
                job,
                job._replace(state=state, since=now),
                attempt,
                attempt._replace(state="ended", ended_at=now, outcome=kind),
                outcome,
            )
            for job, attempt in tx.attempts([one.id for one in attempts]).values()
        ]
    )


async def steps_of(world: World, operation: Callable[[Tx], object]) -> int:
    """Steps of SQLite's machine that an operation takes."""
    store = world.store
    assert isinstance(store, SqliteStore)
    db = store._db
    assert isinstance(db, sqlite3.Connection)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    db.set_progress_handler(count, 1)
    await world.run(operation)
    db.set_progress_handler(None, 1)
    return steps

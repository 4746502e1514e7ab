"""Whatever operations follow each other, fail, or are taken back with their commit: what the writer
remembers is what stands in the database."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from server.clock import ManualClock
from server.ids import new_uuid
from server.model import WAITING_STATES
from server.store.base import Change, NewAttempt, NewJob
from server.store.codes import JOB_COLUMNS, STATE_CODE, job_of, task_of
from server.store.sqlite import SqliteStore
from server.store.sqlite_tx import SqliteTx
from server.transitions import claimed
from tests.server.store.world import a_job, details, finish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server.model import Job
    from server.store.base import Tx

    Step = tuple[Callable[["Player", int], None], int]


class Oops(Exception):
    """An operation's own failure."""


class Player:
    """Plays steps in one operation. The number of each step picks what it is about."""

    def __init__(self, tx: Tx, now: int) -> None:
        assert isinstance(tx, SqliteTx)
        self.tx = tx
        self.now = now

    def job(self, number: int) -> Job | None:
        return self.tx.job(1 + number % max(1, self.tx.memory.high["job"]))

    def submit(self, number: int) -> None:
        key = f"k{number % 3}" if number % 2 else None
        if key is not None and self.tx.cached(key) is not None:
            return
        cls = self.tx.intern_class(f"q{number % 3}", "noop", {}, 0).id
        waits = {"state": "scheduled", "run_at": self.now + 1} if number % 7 == 6 else {}
        detail = details(b"[%d]" % number, owner=f"u{number % 2}", cache_key=key)
        new = NewJob(a_job(cls, self.now, **waits), detail, may_exist=False, is_named=number != 4)
        (job,) = self.tx.insert_jobs([new])
        if key is not None:
            self.tx.put_cached(key, job.id, 0)

    def submit_many(self, number: int) -> None:
        cls = self.tx.intern_class(f"q{number % 3}", "noop", {}, 0).id
        alike = NewJob(a_job(cls, self.now), details(), may_exist=False)
        self.tx.insert_jobs([alike._replace(job=a_job(cls, self.now)) for _ in range(number)])

    def claim(self, number: int) -> None:
        classes = [one.id for one in self.tx.waiting_classes()]
        jobs = [job for job, _ in self.tx.claimable(classes, 1 + number % 6)]
        fresh = [NewAttempt(new_uuid(), job.id, job.attempts + 1, 1, 1, False, 0) for job in jobs]
        attempts = self.tx.insert_attempts(fresh, at=self.now)
        pairs = zip(jobs, attempts, strict=True)
        if jobs:
            self.tx.save_claims(jobs, [claimed(*pair, now=self.now) for pair in pairs])

    def finish(self, number: int) -> None:
        live = [attempt for _, attempt in self.tx.live_attempts()]
        finish(self.tx, live[: number % 3], self.now)

    def put_first(self, number: int) -> None:
        if job := self.job(number):
            self.tx.save([Change(job, job._replace(rank=-number))])

    def move(self, number: int) -> None:
        job = self.job(number)
        if job is not None and job.state in WAITING_STATES:
            cls = self.tx.intern_class(f"q{number % 4}", "noop", {}, 0).id
            self.tx.save([Change(job, job._replace(cls=cls))])

    def delete(self, number: int) -> None:
        jobs = [job.id for one in (number, number + 1) if (job := self.job(one)) is not None]
        self.tx.delete_jobs(jobs, at=self.now, by="sam")

    def look(self, number: int) -> None:
        self.tx.cached(f"k{number % 3}")

    def release(self, number: int) -> None:
        self.tx.release_cached(f"k{number % 3}")

    def forget_names(self, number: int) -> None:
        self.tx.memory.activity.clear()
        self.tx.prune_unused(1 + number % 3)

    def fail(self, number: int) -> None:
        raise Oops


STEPS: list[Callable[[Player, int], None]] = [
    *[Player.submit] * 3,
    Player.submit_many,
    *[Player.claim] * 3,
    Player.finish,
    Player.put_first,
    Player.move,
    Player.delete,
    Player.look,
    Player.release,
    Player.forget_names,
    Player.fail,
]
OPERATION = st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9)), min_size=1, max_size=4)
TICK = st.tuples(st.lists(OPERATION, min_size=1, max_size=4), st.booleans())


def compare(tx: Tx) -> None:
    """What is remembered with what stands in the database."""
    assert isinstance(tx, SqliteTx)
    memory = tx.memory
    filed = {row[0]: job_of(row) for row in tx.db.read(f"SELECT {JOB_COLUMNS} FROM jobs")}
    assert {number: filed[number] for number in memory.jobs} == memory.jobs
    assert {uuid: memory.jobs[number].uuid for uuid, number in memory.job_uuids.items()} == {
        uuid: uuid for uuid in memory.job_uuids
    }
    assert [tx.job_by_uuid(job.uuid) for job in filed.values()] == [*filed.values()]
    for number, task in memory.young.items():
        assert filed[number].state == "pending"
        sql = "SELECT params, timeout_ms, trace, correlation FROM job_details WHERE job = ?"
        assert task_of(tx.db.read(sql, (number,)).fetchone()) == task
    counts = Counter((job.cls, STATE_CODE[job.state]) for job in filed.values())
    assert {key: number for key, number in memory.counts.items() if number} == counts
    assert set(memory.waiting) == {job.cls for job in filed.values() if job.state == "pending"}
    assert set(memory.attempts) == set(_column(tx, "SELECT id FROM attempts WHERE is_live = 1"))
    assert set(memory.classes) == set(_column(tx, "SELECT id FROM classes"))
    assert set(memory.class_ids.values()) == set(memory.classes)
    assert set(memory.submitters) == set(_column(tx, "SELECT id FROM submitters"))
    pairs = tx.db.read("SELECT cls, submitter, id FROM facets").fetchall()
    assert memory.facet_ids == {(cls, submitter): number for cls, submitter, number in pairs}
    assert memory.classes_of == Counter(submitter for _, submitter, _ in pairs)


def _column(tx: SqliteTx, sql: str) -> Iterator[Any]:
    return (row[0] for row in tx.db.read(sql))


async def play(ticks: list[tuple[list[list[Step]], bool]]) -> None:
    clock = ManualClock()
    store = SqliteStore(None, clock=clock)
    await store.open()
    try:
        for operations, commit_fails in ticks:
            clock.advance(1)
            with patch.object(SqliteTx, "write_pending", _failing() if commit_fails else _writing):
                answers = await asyncio.gather(
                    *(store.apply(_played(steps, clock), cache_keys=KEYS) for steps in operations),
                    return_exceptions=True,
                )
            told = [one for one in answers if one is not None and not isinstance(one, Oops)]
            assert commit_fails or told == []
            await store.apply(compare)
    finally:
        await store.close()


KEYS = ("k0", "k1", "k2")
_writing = SqliteTx.write_pending


def _failing() -> Callable[[SqliteTx], Any]:
    """The commit of the tick fails, and so does the first of those of single operations."""
    left = [None, None]

    def write(tx: SqliteTx) -> Any:
        events = _writing(tx)
        if left:
            left.pop()
            raise sqlite3.OperationalError("no")
        return events

    return write


def _played(steps: list[Step], clock: ManualClock) -> Callable[[Tx], None]:
    def operation(tx: Tx) -> None:
        player = Player(tx, clock.now_ms())
        for step, number in steps:
            step(player, number)

    return operation


@given(st.lists(TICK, min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_memory_is_what_stands_in_the_database(
    ticks: list[tuple[list[list[Step]], bool]],
) -> None:
    with patch("server.store.memory.MAX_YOUNG", 3):
        asyncio.run(play(ticks))

"""What the writer keeps in memory, and how a change to it is taken back.

Counters, names and the rows of live attempts are needed by every operation, so they are not read
from the database again. Every change is logged until the commit: a failed operation takes back
its own, a failed commit all of them. Nobody looks at this memory while a transaction is open, so
to everyone outside it changes at the commit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from server.model import NOBODY
from server.store.codes import FIRST_ACTIVE, LAST_ACTIVE, PENDING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.model import Attempt, Job, JobClass, Queue, Runner, Session, Task
    from server.schedules import Schedule
    from server.store.base import KeptRange, Piece, StoredKey, StreamState

K = TypeVar("K")
V = TypeVar("V")

_ABSENT: Final = object()
_MANY: Final = object()
_NEW: Final = object()

ARRIVED: Final = 0
"""Activity by class: jobs that came into a queue."""
LEFT: Final = 1
"""Activity by class: jobs that reached a final state."""
DONE: Final = 2
"""Activity by runner: attempts that ended well."""
FAILED: Final = 3
"""Activity by runner: attempts that ended in an error, a timeout or a loss."""

MAX_YOUNG: Final = 2_048
"""Young jobs that are kept."""
MAX_YOUNG_PARAMS: Final = 4_096
"""Bytes of parameters of a job worth keeping."""

ClassKey = tuple[str, str, str, int]
ActivityKey = tuple[int, int, int]


class Memory:
    """The writer's memory, with a log of what to take back."""

    def __init__(self) -> None:
        self.log: list[tuple[dict[Any, Any], Any, Any]] = []
        """(mapping, key, what stood there) before each change; or (mapping, _MANY, what stood at
        each of many keys), or (mapping, _NEW, many keys where nothing stood)."""
        self.high: dict[str, int] = {"job": 0, "attempt": 0, "event": 0}
        """The last id given out, by kind."""
        self.classes: dict[int, JobClass] = {}
        self.class_ids: dict[ClassKey, int] = {}
        self.submitter_ids: dict[tuple[str, str, str], int] = {}
        self.submitters: dict[int, tuple[str, str, str]] = {}
        self.facet_ids: dict[tuple[int, int], int] = {}
        """Pairs of a class and a submitter."""
        self.classes_of: dict[int, int] = {}
        """In how many of these each submitter is."""
        self.event_kinds: dict[str, int] = {}
        self.queues: dict[str, Queue] = {}
        self.runners: dict[int, Runner] = {}
        self.runner_uuids: dict[str, int] = {}
        self.identities: dict[tuple[str, str], int] = {}
        self.sessions: dict[int, Session] = {}
        """Open ones."""
        self.session_uuids: dict[str, int] = {}
        self.keys: dict[str, StoredKey] = {}
        self.schedules: dict[str, Schedule] = {}
        """By name; deleted ones too, while jobs name them."""
        self.waiting: dict[int, JobClass] = {}
        """Classes with pending jobs."""
        self.counts: dict[tuple[int, int], int] = {}
        """Jobs by class and state code."""
        self.active: dict[str, int] = {}
        """Active jobs by queue."""
        self.activity: dict[ActivityKey, int] = {}
        self.dirty_counts: set[tuple[int, int]] = set()
        self.dirty_activity: set[ActivityKey] = set()
        self.attempts: dict[int, Attempt] = {}
        """Live ones."""
        self.attempt_uuids: dict[str, int] = {}
        self.by_runner: dict[int, dict[int, None]] = {}
        self.jobs: dict[int, Job] = {}
        """Jobs whose newest attempt is live, and young ones; one may be missing, none is ever out
        of date."""
        self.job_uuids: dict[str, int] = {}
        """Some of the same jobs by UUID: those that came or changed one by one, as they do whose
        runners name the job in every call."""
        self.young: dict[int, Task] = {}
        """Pending jobs that came in lately and will be asked for by UUID, with what their runner
        is told: most are claimed before they would have to be read. Oldest first."""
        self.streams: dict[int, dict[int, StreamState]] = {}
        """Output streams of live attempts, by stream code; an attempt may be missing."""
        self.first_at: dict[str, int] = {"due": 0, "deadline": 0}
        """No scheduled job is due before, and no waiting job has a deadline before; too early a
        time costs a look."""
        self.last_attempt_at_opening = 0
        """Later attempts have no output but what came in since."""

        self.open_ranges: dict[int, KeptRange] = {}
        """Cursor ranges of jobs that have not ended, by job."""
        self.pieces: dict[int, Piece] = {}
        """Pieces that have not ended, by job."""
        self.pieces_of: dict[int, dict[int, Piece]] = {}
        """The same, by the job whose range it is."""

    # the log ---------------------------------------------------------------------------

    def put(self, mapping: dict[K, V], key: K, value: V) -> None:
        self.log.append((mapping, key, mapping.get(key, _ABSENT)))
        mapping[key] = value

    def put_all(self, mapping: dict[K, V], fresh: dict[K, V]) -> None:
        self.log.append((mapping, _MANY, {key: mapping.get(key, _ABSENT) for key in fresh}))
        mapping.update(fresh)

    def put_new(self, mapping: dict[K, V], fresh: dict[K, V]) -> None:
        """:meth:`put_all` for keys that are not there yet."""
        self.log.append((mapping, _NEW, fresh))
        mapping.update(fresh)

    def drop(self, mapping: dict[K, V], key: K) -> None:
        if key in mapping:
            self.log.append((mapping, key, mapping.pop(key)))

    def drop_all(self, mapping: dict[K, V], keys: Iterable[K]) -> None:
        if mapping:
            gone = {key: mapping.pop(key) for key in keys if key in mapping}
            self.log.append((mapping, _MANY, gone))

    def rewind(self, mark: int) -> None:
        """Take back everything since the log was so long, newest first."""
        log = self.log
        while len(log) > mark:
            mapping, key, before = log.pop()
            if key is _NEW:
                before = dict.fromkeys(before, _ABSENT)
            elif key is not _MANY:
                before = {key: before}
            for one, value in before.items():
                if value is _ABSENT:
                    mapping.pop(one, None)
                else:
                    mapping[one] = value

    def settle(self) -> None:
        """What changed is committed."""
        self.log.clear()
        self.dirty_counts.clear()
        self.dirty_activity.clear()

    # ids and counters ------------------------------------------------------------------

    def take_ids(self, kind: str, number: int) -> int:
        """Give out ``number`` ids in a row; the answer is the first."""
        last = self.high[kind]
        self.put(self.high, kind, last + number)
        return last + 1

    def bump(self, cls: int, state: int, by: int) -> None:
        """Count jobs into, or out of, a state."""
        key = (cls, state)
        before = self.counts.get(key, 0)
        self.log.append((self.counts, key, before))
        self.counts[key] = number = before + by
        self.dirty_counts.add(key)
        if state == PENDING:
            self._note_waiting(cls, number)
        elif FIRST_ACTIVE <= state <= LAST_ACTIVE:
            self._count_active(cls, by)

    def shift(self, cls: int, before: int, after: int, by: int = 1) -> None:
        """Count jobs of a class out of one state and into another."""
        counts, log, dirty = self.counts, self.log, self.dirty_counts
        source, target = (cls, before), (cls, after)
        number = counts.get(source, 0)
        log.append((counts, source, number))
        counts[source] = number - by
        dirty.add(source)
        number = counts.get(target, 0)
        log.append((counts, target, number))
        counts[target] = number + by
        dirty.add(target)
        if before == PENDING or after == PENDING:
            self._note_waiting(cls, counts[cls, PENDING])
        was_active = FIRST_ACTIVE <= before <= LAST_ACTIVE
        is_active = FIRST_ACTIVE <= after <= LAST_ACTIVE
        if was_active is not is_active:
            self._count_active(cls, by if is_active else -by)

    def _count_active(self, cls: int, by: int) -> None:
        job_class = self.classes[cls]
        if job_class.pin != NOBODY:
            queue = job_class.queue
            self.put(self.active, queue, self.active.get(queue, 0) + by)

    def _note_waiting(self, cls: int, number: int) -> None:
        if number <= 0:
            self.drop(self.waiting, cls)
        elif cls not in self.waiting:
            self.put(self.waiting, cls, self.classes[cls])

    def note_activity(self, kind: int, key: int, at: int, by: int = 1) -> None:
        place = (at // 60_000, kind, key)
        before = self.activity.get(place, 0)
        self.log.append((self.activity, place, before))
        self.activity[place] = before + by
        self.dirty_activity.add(place)

    def note_waiting(self, job: Job) -> None:
        """A job waits: it may be the first to fall due, or to be past its deadline."""
        for what, at in (("due", job.run_at), ("deadline", job.deadline)):
            if 0 < at < self.first_at[what]:
                self.put(self.first_at, what, at)

    # live attempts ---------------------------------------------------------------------

    def add_live(self, attempts: Sequence[Attempt]) -> None:
        """Attempts of one runner take slots."""
        runner = attempts[0].runner
        of_runner = self.by_runner.get(runner)
        if of_runner is None:
            of_runner = {}
            self.put(self.by_runner, runner, of_runner)
        self.put_new(self.attempts, {attempt.id: attempt for attempt in attempts})
        self.put_new(self.attempt_uuids, {attempt.uuid: attempt.id for attempt in attempts})
        self.put_new(of_runner, {attempt.id: None for attempt in attempts})

    def drop_live(self, attempts: Sequence[Attempt]) -> None:
        """Attempts of one runner free their slots."""
        if len(attempts) == 1:
            self._drop_one(attempts[0])
            return
        numbers = [attempt.id for attempt in attempts]
        self.drop_all(self.attempts, numbers)
        self.drop_all(self.attempt_uuids, [attempt.uuid for attempt in attempts])
        self.drop_all(self.by_runner[attempts[0].runner], numbers)
        if self.streams:
            self.drop_all(self.streams, numbers)
        jobs = self.jobs
        theirs = [
            job
            for attempt in attempts
            if (job := jobs.get(attempt.job)) is not None and job.attempt == attempt.id
        ]
        self.drop_all(jobs, [job.id for job in theirs])
        if self.job_uuids:
            self.drop_all(self.job_uuids, [job.uuid for job in theirs])

    def _drop_one(self, attempt: Attempt) -> None:
        """The same without the sets, which for a single attempt are most of the work."""
        self.drop(self.attempts, attempt.id)
        self.drop(self.attempt_uuids, attempt.uuid)
        self.drop(self.by_runner[attempt.runner], attempt.id)
        if attempt.id in self.streams:
            self.drop(self.streams, attempt.id)
        job = self.jobs.get(attempt.job)
        if job is not None and job.attempt == attempt.id:
            self.drop(self.jobs, job.id)
            self.drop(self.job_uuids, job.uuid)

    def note_jobs(self, jobs: Sequence[Job]) -> None:
        """Keep jobs whose newest attempts are live."""
        self.put_all(self.jobs, {job.id: job for job in jobs})
        self.drop_all(self.young, [job.id for job in jobs])

    def note_young(self, job: Job, task: Task) -> None:
        """Keep a job that came in by itself, for a while."""
        if job.state != "pending" or len(task.params) > MAX_YOUNG_PARAMS:
            return
        self.put(self.jobs, job.id, job)
        self.put(self.job_uuids, job.uuid, job.id)
        self.put(self.young, job.id, task)
        if len(self.young) > MAX_YOUNG:
            self.forget_young(next(iter(self.young)))

    def forget_young(self, job_id: int) -> None:
        if job_id in self.young:
            self.drop(self.young, job_id)
            self.drop(self.job_uuids, self.jobs[job_id].uuid)
            self.drop(self.jobs, job_id)

    def note_job(self, job: Job) -> None:
        """Keep a changed job while its newest attempt is live."""
        if job.id in self.young:
            self.drop(self.young, job.id)
        if job.attempt in self.attempts:
            self.put(self.jobs, job.id, job)
            if job.uuid not in self.job_uuids:
                self.put(self.job_uuids, job.uuid, job.id)
        elif job.id in self.jobs:
            self.drop(self.jobs, job.id)
            self.drop(self.job_uuids, job.uuid)

    # whole facts -----------------------------------------------------------------------

    def put_facet(self, cls: int, submitter: int, number: int) -> None:
        self.put(self.facet_ids, (cls, submitter), number)
        self.put(self.classes_of, submitter, self.classes_of.get(submitter, 0) + 1)

    def drop_facet(self, cls: int, submitter: int) -> None:
        self.drop(self.facet_ids, (cls, submitter))
        if self.classes_of[submitter] > 1:
            self.put(self.classes_of, submitter, self.classes_of[submitter] - 1)
        else:
            self.drop(self.classes_of, submitter)

    def put_runner(self, runner: Runner) -> None:
        self.put(self.runners, runner.id, runner)
        self.put(self.runner_uuids, runner.uuid, runner.id)
        self.put(self.identities, (runner.protocol, runner.identity), runner.id)

    def drop_runner(self, runner: Runner) -> None:
        self.drop(self.runners, runner.id)
        self.drop(self.runner_uuids, runner.uuid)
        self.drop(self.identities, (runner.protocol, runner.identity))

    def put_session(self, session: Session) -> None:
        """Keep an open session; forget one that has ended."""
        if session.ended_at:
            self.drop(self.sessions, session.id)
            self.drop(self.session_uuids, session.uuid)
        else:
            self.put(self.sessions, session.id, session)
            self.put(self.session_uuids, session.uuid, session.id)

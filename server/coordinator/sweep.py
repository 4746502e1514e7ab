"""What time brings: due jobs, timeouts, the stop ladder, leases that ran out, drains that end.

The loop looks four times a second for what is due or past its deadline, and once a second at
everything else. After the coordinator itself stood still, was restarted or saw the clock jump,
nothing expires for a while: leases are renewed first, for it was not the runners who were away.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from server import transitions
from server.coordinator import acts, sessions
from server.coordinator.memory import announce_pending, save
from server.coordinator.ranges import settle
from server.coordinator.reports import COORDINATOR, Report
from server.model import Outcome
from server.store.base import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.coordinator.memory import Memory
    from server.model import Attempt, Job
    from server.store.base import Tx

BATCH = 500
TIMEOUT_SLACK_MS = 5_000
"""Runners keep their own time; this long after the timeout the coordinator steps in."""
TIMEOUT_GRACE_MS = 10_000
IGNORED_AFTER_MS = 10_000
"""A kill without an answer for this long is told as ignored."""


def fall_due(tx: Tx, memory: Memory, now: int) -> int:
    """Let scheduled jobs whose time has come into the line; how many it were."""
    jobs = tx.due(now, BATCH)
    if not jobs:
        return 0
    steps = [transitions.fall_due(job, now=now) for job in jobs]
    save(tx, memory, [Change(job, step.job) for job, step in zip(jobs, steps, strict=True)])
    tx.append("queued", at=now, members=[(job.id, 0) for job in jobs], reason="due")
    announce_pending(tx, memory, [step.job.cls for step in steps])
    return len(jobs)


def expire_waiting(tx: Tx, memory: Memory, now: int) -> None:
    """End waiting jobs whose deadline passed.

    All of them have ended before ranges are told: a range that gives up ends its waiting pieces.
    """
    jobs = tx.past_deadline(now, BATCH)
    expired = [transitions.expire(job, now=now).job for job in jobs]
    save(tx, memory, [Change(job, after) for job, after in zip(jobs, expired, strict=True)])
    for job in expired:
        tx.append("expired", at=now, job=job.id, reason="its deadline passed before it started")
    settle(tx, memory, expired, now)


def watch_attempts(tx: Tx, memory: Memory, now: int, *, may_expire: bool) -> None:
    """Offers nobody confirmed, timeouts, and the rungs of the stop ladder."""
    if not memory.live_count:
        return
    watch = AttemptWatch(tx, memory, now, may_expire=may_expire)
    for job, attempt in tx.live_attempts():
        watch.look(job, attempt)
    watch.write()


class AttemptWatch:
    """One look at all live attempts."""

    def __init__(self, tx: Tx, memory: Memory, now: int, *, may_expire: bool) -> None:
        self._tx = tx
        self._memory = memory
        self._now = now
        self._may_expire = may_expire
        self._offer_timeout = memory.settings.leases.offer_timeout_ms
        self._report = Report(tx, memory, now, actor="coordinator")

    def look(self, job: Job, attempt: Attempt) -> None:
        if attempt.state == "offered":
            if self._may_expire and self._is_overdue_offer(attempt):
                words = f"not confirmed within {self._offer_timeout / 1000:g}s"
                self._report.ended(job, attempt, Outcome("lost", words))
        elif attempt.state == "running":
            self._watch_timeout(job, attempt)
        elif attempt.state == "ending":
            self._watch_ladder(job, attempt)

    def write(self) -> None:
        self._report.write()

    def _is_overdue_offer(self, attempt: Attempt) -> bool:
        if attempt.offered_at + self._offer_timeout > self._now:
            return False
        runner = self._memory.runners[attempt.runner]
        return not self._memory.traits_of(runner.protocol).asks_about_offers

    def _watch_timeout(self, job: Job, attempt: Attempt) -> None:
        if not attempt.deadline or attempt.deadline + TIMEOUT_SLACK_MS > self._now:
            return
        if not acts.can_stop(self._memory, attempt):
            if self._may_expire:  # its end may be waiting to be read
                self._time_out(job, attempt)
            return
        step = transitions.stop(
            job, attempt, grace_ms=TIMEOUT_GRACE_MS, kill=False, is_timeout=True, now=self._now
        )
        self._climb(job, attempt, step, "it ran longer than its timeout")

    def _watch_ladder(self, job: Job, attempt: Attempt) -> None:
        asked_for = self._now - attempt.stop_at
        if not attempt.stop_kill and asked_for >= attempt.stop_grace:
            step = transitions.kill(job, attempt, now=self._now)
            self._climb(job, attempt, step, f"no end within {attempt.stop_grace / 1000:g}s")
            return
        ignored_after = attempt.stop_grace + IGNORED_AFTER_MS
        if not attempt.stop_kill or asked_for < ignored_after:
            return
        if transitions.is_overdue(job, attempt, self._now):
            self._time_out(job, attempt)
        elif asked_for < ignored_after + 1_000:
            self._tx.append(
                "stop_ignored",
                at=self._now,
                job=job.id,
                attempt=attempt.id,
                runner=attempt.runner,
                reason=f"asked {asked_for // 1000}s ago and killed, but there is no answer",
            )

    def _time_out(self, job: Job, attempt: Attempt) -> None:
        words = "it ran longer than its timeout and does not stop"
        self._report.abandoned(job, attempt, Outcome("timeout", words), reason=words)

    def _climb(self, job: Job, attempt: Attempt, step: transitions.Step, reason: str) -> None:
        save(self._tx, self._memory, [Change(job, step.job, attempt, step.attempt)])
        self._tx.append(
            step.kind,
            at=self._now,
            job=job.id,
            attempt=attempt.id,
            runner=attempt.runner,
            reason=reason,
        )
        self._tx.after_commit(lambda: self._memory.poke(attempt.session))


def lose_attempts(tx: Tx, memory: Memory, attempt_ids: list[int], now: int) -> None:
    """End attempts whose own lease ran out, but for those that were heard since."""
    report = Report(tx, memory, now, actor="coordinator")
    leases = memory.attempt_leases
    silent = [number for number in attempt_ids if leases.state(number) == "lost"]
    for job, attempt in tx.attempts(silent).values():
        if attempt.state == "ended":
            continue
        runner = memory.runners[attempt.runner]
        outcome = Outcome("lost", memory.traits_of(runner.protocol).lost_message)
        tx.append("lease_lost", at=now, job=job.id, attempt=attempt.id, runner=runner.id)
        if attempt.state == "abandoned":
            report.heard_of_abandoned(job, attempt, outcome)
        else:
            report.ended(job, attempt, outcome)
    report.write()


def watch_drains(tx: Tx, memory: Memory, told_drained: set[int], now: int) -> None:
    """Move what is left when a drain's deadline passes, and tell when a runner is empty."""
    draining = [runner for runner in memory.runners.values() if runner.draining_since]
    tx.after_commit(lambda: told_drained.intersection_update(runner.id for runner in draining))
    for runner in draining:
        busy = memory.busy(runner.id)
        if not busy and runner.id not in told_drained:
            tx.append("runner_drained", at=now, runner=runner.id, actor=runner.drained_by)
            tx.after_commit(partial(told_drained.add, runner.id))
        elif busy and runner.drain_deadline and runner.drain_deadline <= now:
            acts.move_off(
                tx,
                memory,
                COORDINATOR,
                runner.id,
                grace_ms=TIMEOUT_GRACE_MS,
                reason=f"{runner.name} is to be empty by now",
                now=now,
            )


def tell_suspects(tx: Tx, memory: Memory, session_ids: list[int], now: int) -> None:
    """A beat is late, the lease still runs."""
    for session_id in session_ids:
        presence = memory.presences.get(session_id)
        if presence is not None:
            tx.append("runner_suspect", at=now, runner=presence.session.runner)


def lose_sessions(tx: Tx, memory: Memory, session_ids: list[int], now: int) -> None:
    """The lease of each of these sessions ran out, unless it was heard since."""
    for session_id in session_ids:
        if memory.session_leases.state(session_id) == "lost":
            sessions.lose(tx, memory, session_id, now)


def announce_waiting(tx: Tx, memory: Memory) -> None:
    """Tell runners again of what waits, should an announcement have gone to one that died."""
    for job_class in tx.waiting_classes():
        waiting = tx.count(job_class.id, "pending")
        announce_pending(tx, memory, [job_class.id] * min(waiting, 16))


def write_last_seen(tx: Tx, memory: Memory, heard: Mapping[int, int]) -> None:
    """Store when runners were last heard, and leave alone what else is known of them now."""
    now = memory.clock.now_ms()
    for runner_id, heard_at in heard.items():
        runner = tx.runner(runner_id)
        if runner is not None and not heard_at <= runner.last_seen_at <= now:
            seen = replace(runner, last_seen_at=heard_at)
            tx.update_runner(seen)
            tx.after_commit(partial(memory.put_runner_seen, seen))

"""The pure core: every transition is legal, nothing is decided twice, nothing is lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server import transitions
from server.errors import Refused
from server.model import FINAL_STATES, OUTCOME_KINDS, Attempt, Job, Outcome, RetryPolicy
from server.state_table import markdown

if TYPE_CHECKING:
    from server.transitions import Command, Step

NOW = 1_700_000_000_000
RETRY = RetryPolicy(base_delay_ms=1_000, factor=2.0, max_delay_ms=10_000, jitter=0.0, max_losses=2)


def make_job(**changes: Any) -> Job:
    job = Job(
        id=1,
        uuid="j",
        cls=1,
        state="pending",
        rank=0,
        since=NOW,
        created_at=NOW,
        run_at=0,
        attempt=0,
        attempts=0,
        tries=0,
        max_attempts=2,
        losses=0,
        wanted="run",
        deadline=0,
        target=0,
    )
    return job._replace(**changes)


def make_attempt(number: int = 1, **changes: Any) -> Attempt:
    attempt = Attempt(
        id=10 + number,
        uuid=f"a{number}",
        job=1,
        number=number,
        runner=1,
        session=1,
        state="offered",
        phase="",
        offered_at=NOW,
        started_at=0,
        ended_at=0,
        deadline=0,
        stop_at=0,
        stop_grace=0,
        stop_kill=False,
        outcome=None,
    )
    return attempt._replace(**changes)


def running() -> tuple[Job, Attempt]:
    step = transitions.claim(make_job(), make_attempt(), now=NOW)
    assert step.attempt is not None
    step = transitions.start(step.job, step.attempt, now=NOW + 5)
    assert step.attempt is not None
    return step.job, step.attempt


def finish(job: Job, attempt: Attempt, outcome: Outcome, now: int = NOW + 10) -> Step:
    return transitions.finish(job, attempt, outcome, retry=RETRY, now=now, jitter=0.0)


def test_success_completes_and_counts_a_try() -> None:
    job, attempt = running()
    step = finish(job, attempt, Outcome("success"))
    assert (step.job.state, step.job.tries, step.kind) == ("completed", 1, "completed")
    assert step.attempt is not None
    assert (step.attempt.state, step.attempt.outcome) == ("ended", "success")


def test_an_error_is_retried_with_backoff_until_attempts_are_spent() -> None:
    job, attempt = running()
    step = finish(job, attempt, Outcome("error", "boom"))
    assert (step.job.state, step.job.run_at) == ("scheduled", NOW + 10 + 1_000)
    due = transitions.fall_due(step.job, now=NOW + 2_000).job
    claimed = transitions.claim(due, make_attempt(2), now=NOW + 2_000)
    assert claimed.attempt is not None
    last = finish(claimed.job, claimed.attempt, Outcome("error", "boom"))
    assert (last.job.state, last.job.tries) == ("failed", 2)


def test_the_runners_own_delay_wins_over_backoff() -> None:
    job, attempt = running()
    step = finish(job, attempt, Outcome("retry", retry_after_ms=7_000))
    assert step.job.run_at == NOW + 10 + 7_000


def test_a_fatal_error_is_not_retried() -> None:
    job, attempt = running()
    step = finish(job, attempt, Outcome("error", is_retryable=False))
    assert step.job.state == "failed"


def test_an_unconfirmed_attempt_costs_nothing() -> None:
    claimed = transitions.claim(make_job(), make_attempt(), now=NOW)
    assert claimed.attempt is not None
    step = transitions.lose(
        claimed.job, claimed.attempt, Outcome("lost"), retry=RETRY, now=NOW, jitter=0
    )
    assert (step.job.state, step.job.tries, step.job.losses) == ("pending", 0, 0)


def test_a_final_report_also_confirms() -> None:
    claimed = transitions.claim(make_job(), make_attempt(), now=NOW)
    assert claimed.attempt is not None
    done = finish(claimed.job, claimed.attempt, Outcome("success"), now=NOW + 40)
    assert done.attempt is not None
    assert (done.attempt.started_at, done.attempt.ended_at) == (NOW, NOW + 40)


def test_losses_are_bounded() -> None:
    job, attempt = running()
    for number in range(2, 5):
        step = transitions.lose(job, attempt, Outcome("lost"), retry=RETRY, now=NOW, jitter=0)
        if step.job.state == "failed":
            break
        claimed = transitions.claim(step.job, make_attempt(number), now=NOW)
        assert claimed.attempt is not None
        started = transitions.start(claimed.job, claimed.attempt, now=NOW)
        assert started.attempt is not None
        job, attempt = started.job, started.attempt
    assert (step.job.state, step.job.losses, step.job.tries) == ("failed", 3, 0)


def test_a_stop_that_crosses_a_success_is_a_success() -> None:
    job, attempt = running()
    asked = transitions.stop(job, attempt, grace_ms=10, kill=False, is_timeout=False, now=NOW)
    assert asked.job.state == "stopping"
    assert asked.attempt is not None
    assert finish(asked.job, asked.attempt, Outcome("success")).job.state == "completed"


def test_asking_again_can_only_be_harder() -> None:
    job, attempt = running()
    first = transitions.stop(job, attempt, grace_ms=5_000, kill=False, is_timeout=False, now=NOW)
    assert first.attempt is not None
    killed = transitions.kill(first.job, first.attempt, now=NOW + 1)
    assert killed.attempt is not None
    again = transitions.stop(
        killed.job, killed.attempt, grace_ms=60_000, kill=False, is_timeout=False, now=NOW + 2
    )
    assert again.attempt is not None
    assert again.attempt.stop_kill
    assert again.attempt.stop_grace == 5_000
    assert again.attempt.stop_at == NOW


def test_a_moved_job_goes_back_in_line_in_its_new_class() -> None:
    job, attempt = running()
    moving = transitions.move(job, attempt, target=7, grace_ms=10, now=NOW)
    assert moving.attempt is not None
    step = finish(moving.job, moving.attempt, Outcome("cancelled"))
    assert (step.job.state, step.job.cls, step.job.wanted) == ("pending", 7, "run")
    assert step.job.tries == 0


def test_an_abandoned_attempt_keeps_its_slot_and_no_longer_decides() -> None:
    job, attempt = running()
    step = transitions.abandon(
        job._replace(wanted="stop"), attempt, Outcome("cancelled"), retry=RETRY, now=NOW, jitter=0
    )
    assert step.job.state == "stopped"
    assert step.attempt is not None
    assert step.attempt.state == "abandoned"
    with pytest.raises(Refused):
        finish(step.job, step.attempt, Outcome("success"))
    closed = transitions.close_abandoned(step.attempt, Outcome("success"), now=NOW)
    assert closed.state == "ended"


def test_a_cancel_because_of_the_timeout_is_a_timeout() -> None:
    job, attempt = running()
    attempt = attempt._replace(deadline=NOW + 6)
    told = transitions.stop(job, attempt, grace_ms=1, kill=False, is_timeout=True, now=NOW + 7)
    assert told.attempt is not None
    step = finish(told.job, told.attempt, Outcome("cancelled"))
    assert step.outcome is not None
    assert step.outcome.kind == "timeout"
    assert step.job.state == "scheduled"


def test_the_timeout_counts_from_the_confirmation() -> None:
    offered = make_attempt(deadline=NOW + 1_000)
    claimed = transitions.claim(make_job(), offered, now=NOW)
    assert claimed.attempt is not None
    started = transitions.start(claimed.job, claimed.attempt, now=NOW + 300)
    assert started.attempt is not None
    assert started.attempt.deadline == NOW + 1_300


def test_refusals_are_spread_out() -> None:
    pauses = []
    for attempts in (1, 2, 3, 30):
        job = make_job(state="claimed", attempt=11, attempts=attempts)
        step = finish(job, make_attempt(), Outcome("refused"), now=NOW)
        pauses.append(step.job.run_at - NOW)
    assert pauses == [1_000, 2_000, 4_000, 60_000]


def test_backoff_is_capped_and_jitter_bounded() -> None:
    retry = RetryPolicy(base_delay_ms=100, factor=10, max_delay_ms=5_000, jitter=0.5)
    assert transitions.backoff_ms(retry, 1, -1.0) == 50
    assert transitions.backoff_ms(retry, 1, 1.0) == 150
    assert transitions.backoff_ms(retry, 60, 1.0) == 5_000


def test_the_page_of_states_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs" / "states.md"
    assert page.read_text() == markdown()


class OneJob(RuleBasedStateMachine):
    """Random commands on one job, its attempts, and a memory of what was decided."""

    def __init__(self) -> None:
        super().__init__()
        self.job = make_job()
        self.attempts: dict[int, Attempt] = {}
        self.now = NOW
        self.decided: str | None = None

    @property
    def newest(self) -> Attempt | None:
        return self.attempts.get(self.job.attempt)

    def take(self, command: Command, step: Step) -> None:
        before = self.job.state
        assert step.job.state in transitions.TABLE[command][before], (command, before, step)
        assert before not in FINAL_STATES
        self.job = step.job
        if step.attempt is not None:
            self.attempts[step.attempt.id] = step.attempt
        self.now += 1_000

    @rule()
    def claim(self) -> None:
        attempt = make_attempt(self.job.attempts + 1, offered_at=self.now)
        try:
            step = transitions.claim(self.job, attempt, now=self.now)
        except Refused:
            assert self.job.state != "pending"
            return
        self.take("claim", step)

    @precondition(lambda self: self.newest is not None)
    @rule()
    def start(self) -> None:
        assert self.newest is not None
        try:
            step = transitions.start(self.job, self.newest, now=self.now)
        except Refused:
            return
        self.take("start", step)

    @rule(data=st.data(), kind=st.sampled_from(OUTCOME_KINDS), jitter=st.floats(-1, 1))
    def end_any_attempt(self, data: st.DataObject, kind: str, jitter: float) -> None:
        """Ends of any attempt arrive, old ones and repeats too; only the newest decides."""
        if not self.attempts:
            return
        attempt = data.draw(st.sampled_from(sorted(self.attempts.values())))
        outcome = Outcome(kind)  # type: ignore[arg-type]
        command: Command = "lose" if kind == "lost" else "finish"
        decide = transitions.lose if kind == "lost" else transitions.finish
        is_current = attempt.id == self.job.attempt and attempt.state not in ("ended", "abandoned")
        try:
            step = decide(self.job, attempt, outcome, retry=RETRY, now=self.now, jitter=jitter)
        except Refused:
            assert not is_current
            return
        assert is_current
        self.take(command, step)

    @rule(grace=st.integers(0, 20_000), kill=st.booleans(), is_timeout=st.booleans())
    def stop(self, grace: int, kill: bool, is_timeout: bool) -> None:
        active = self.job.state in ("claimed", "in_progress", "stopping")
        if is_timeout and not active:
            return
        attempt = self.newest if active else None
        try:
            step = transitions.stop(
                self.job, attempt, grace_ms=grace, kill=kill, is_timeout=is_timeout, now=self.now
            )
        except Refused:
            assert self.job.state in FINAL_STATES
            return
        self.take("stop", step)

    @rule(target_class=st.integers(2, 5))
    def move(self, target_class: int) -> None:
        active = self.job.state in ("claimed", "in_progress", "stopping")
        try:
            step = transitions.move(
                self.job,
                self.newest if active else None,
                target=target_class,
                grace_ms=1_000,
                now=self.now,
            )
        except Refused:
            return
        self.take("move", step)

    @precondition(lambda self: self.newest is not None)
    @rule(wanted=st.sampled_from(["run", "stop", "move"]))
    def abandon(self, wanted: str) -> None:
        assert self.newest is not None
        job = self.job._replace(wanted=wanted)  # type: ignore[arg-type]
        try:
            step = transitions.abandon(
                job, self.newest, Outcome("timeout"), retry=RETRY, now=self.now, jitter=0
            )
        except Refused:
            return
        self.take("abandon", step)

    @rule()
    def fall_due(self) -> None:
        try:
            self.take("fall_due", transitions.fall_due(self.job, now=self.now))
        except Refused:
            assert self.job.state != "scheduled"

    @invariant()
    def one_attempt_at_most_can_decide(self) -> None:
        able = [a for a in self.attempts.values() if a.state in ("offered", "running", "ending")]
        assert len(able) <= 1
        assert all(a.id == self.job.attempt for a in able)

    @invariant()
    def an_active_job_has_an_attempt_and_a_waiting_one_none(self) -> None:
        newest = self.newest
        is_live = newest is not None and newest.state in ("offered", "running", "ending")
        assert is_live == (self.job.state in ("claimed", "in_progress", "stopping"))

    @invariant()
    def an_outcome_is_never_taken_back(self) -> None:
        if self.decided is not None:
            assert self.job.state == self.decided
        if self.job.state in FINAL_STATES:
            self.decided = self.job.state

    @invariant()
    def bounds_hold(self) -> None:
        assert self.job.tries <= self.job.max_attempts
        assert self.job.losses <= RETRY.max_losses + 1


OneJob.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestOneJob = OneJob.TestCase

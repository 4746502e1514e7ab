"""What dialogs say, as text: so that what an operator is told can be tested without a screen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from server.model import ACTIVE_STATES, FINAL_STATES
from traffic_tui.state.formats import clean, duration, share
from traffic_tui.state.glyphs import JOB_MARKS

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from server.wire.operator import (
        JobView,
        QueueView,
        RunnerView,
        VerdictView,
    )
    from traffic_tui.state.glyphs import Role


class Choice(NamedTuple):
    """One key of a dialog."""

    key: str
    words: str
    value: str


class Question(NamedTuple):
    """A dialog as text."""

    title: str
    facts: tuple[str, ...]
    choices: tuple[Choice, ...]
    leave: str = "leave it alone"
    """What escape does, in words."""


CANNOT_STOP = (
    "this runner cannot be stopped: its result will be refused,",
    "the process may run on",
)


def stop_question(jobs: Sequence[JobView], can: str | None, now: int) -> Question:
    """How to stop these jobs. ``can`` is what the one job's runner is able to do, if known; of
    jobs that wait it says nothing."""
    is_active = any(job.state in ACTIVE_STATES for job in jobs)
    can = can if is_active else None
    choices = [_ask(jobs, can)]
    if is_active and _can_stop(can):
        choices.append(Choice("k", "kill now", "kill"))
    if _is_worth_giving_up(jobs, can):
        choices.append(Choice("x", "give up on it: refuse all it sends, free the slot", "abandon"))
    choices = [choice for choice in choices if choice.words]
    facts = (*job_facts(jobs, now), *(() if _can_stop(can) else CANNOT_STOP))
    return Question(f"Stop {named(jobs)}?", facts, tuple(choices))


def _can_stop(can: str | None) -> bool:
    return can is None or "s" in can


def _ask(jobs: Sequence[JobView], can: str | None) -> Choice:
    if not any(job.state in ACTIVE_STATES for job in jobs):
        words = "stop it: it has not started" if len(jobs) == 1 else "stop them: none has started"
        return Choice("y", words, "ask")
    if not _can_stop(can):
        return Choice("y", "", "ask")
    if len(jobs) == 1 and is_range(jobs[0]):
        return Choice("y", "stop what waits, ask what runs; kill it after 10s", "ask")
    return Choice("y", f"ask {_it(jobs)} to stop; kill {_it(jobs)} after 10s", "ask")


def is_range(job: JobView) -> bool:
    """Whether a job is done in pieces: it is somewhere without ever having been tried."""
    return not job.attempts and job.progress is not None


def _it(jobs: Sequence[JobView]) -> str:
    return "it" if len(jobs) == 1 else "them"


def _is_worth_giving_up(jobs: Sequence[JobView], can: str | None) -> bool:
    """Giving up is offered only where asking and killing failed or cannot be done."""
    active = [job for job in jobs if job.state in ACTIVE_STATES]
    return bool(active) and (not _can_stop(can) or any(job.state == "stopping" for job in active))


def named(jobs: Sequence[JobView]) -> str:
    """The jobs in a title."""
    if len(jobs) == 1:
        return f"job {jobs[0].number} {clean(jobs[0].type)}"
    return f"{len(jobs)} jobs"


def job_facts(jobs: Sequence[JobView], now: int) -> tuple[str, ...]:
    """What one has to know of the jobs before acting on them."""
    return (_one_fact(jobs[0], now),) if len(jobs) == 1 else _many_facts(jobs)


def _one_fact(job: JobView, now: int) -> str:
    parts = [state_words(job, now)]
    if job.progress and job.progress.current is not None and job.progress.total:
        parts.append(f"{share(job.progress.current, job.progress.total)} done")
    if job.attempts:
        parts.append(f"try {job.attempts}")
    return ", ".join(parts)


def state_words(job: JobView, now: int) -> str:
    """For example ``running on lab-07 for 12m40``."""
    where = f" on {clean(job.runner.name)}" if job.runner and job.state in ACTIVE_STATES else ""
    since = duration(now - job.times.since)
    ago = f" {since} ago" if job.state in FINAL_STATES else f" for {since}"
    return f"{JOB_MARKS[job.state].word}{where}{ago}"


def explanation_title(job: JobView, now: int) -> str:
    """What the lines of an explanation answer."""
    if job.state in FINAL_STATES:
        return f"How {named([job])} ended"
    return f"Why {named([job])} is {state_words(job, now)}"


def _many_facts(jobs: Sequence[JobView]) -> tuple[str, ...]:
    states = Counter(JOB_MARKS[job.state].word for job in jobs)
    runners = {job.runner.name for job in jobs if job.runner and job.state in ACTIVE_STATES}
    where = f" on {plural(len(runners), 'runner')}" if runners else ""
    types = Counter(clean(job.type) for job in jobs).most_common(3)
    return (
        ", ".join(f"{count} {word}" for word, count in states.most_common()) + where,
        ", ".join(f"{count} {word}" for word, count in types)
        + (" and more" if len({job.type for job in jobs}) > len(types) else ""),
    )


def plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def resubmit_question(jobs: Sequence[JobView], now: int) -> Question:
    """Whether to run these jobs again."""
    running = sum(job.state not in FINAL_STATES for job in jobs)
    facts = [*job_facts(jobs, now)]
    if running:
        facts.append(
            "it has not ended: both will run"
            if len(jobs) == 1
            else f"{running} of them have not ended: they and their copies will run"
        )
    words = "run it again as a new job" if len(jobs) == 1 else "run each again as a new job"
    if len(jobs) == 1 and is_range(jobs[0]):
        is_done = jobs[0].state == "completed"
        words = "do all of it again" if is_done else "do what is missing, as a new job"
    return Question(f"Resubmit {named(jobs)}?", tuple(facts), (Choice("y", words, "yes"),))


def drain_question(runner: RunnerView) -> Question:
    """How a runner is to be drained."""
    held = f"holds {plural(runner.busy, 'job')}, {runner.capacity} slots"
    choices = [Choice("y", "take nothing new; what runs may finish", "finish")]
    if runner.busy:
        choices.append(
            Choice("d", "the same, and what is left after 30m moves elsewhere", "deadline")
        )
        choices.append(Choice("m", "take nothing new, and move its jobs now", "move"))
    return Question(f"Drain {clean(runner.name)}?", (held,), tuple(choices))


def resume_question(runner: RunnerView) -> Question:
    """Whether to end a drain."""
    by = f"draining by {clean(runner.drained_by)}" if runner.drained_by else "draining"
    reason = f': "{clean(runner.drain_reason)}"' if runner.drain_reason else ""
    return Question(
        f"Let {clean(runner.name)} work again?",
        (by + reason,),
        (Choice("y", "end the drain", "yes"),),
    )


def forget_question(runner: RunnerView) -> Question:
    """Whether to drop a runner from the list."""
    held = (
        f"holds {plural(runner.busy, 'job')}: they are placed elsewhere"
        if runner.busy
        else ("holds no jobs")
    )
    return Question(
        f"Forget {clean(runner.name)}?",
        (held, "it comes back by itself when it says hello"),
        (Choice("y", "drop it from the list", "yes"),),
        leave="keep it",
    )


def demo_quit_question() -> Question:
    """Whether to leave the demo, of which nothing stays."""
    return Question(
        "Leave the demo?",
        ("its coordinator, its runners and their jobs end with it, and leave nothing behind",),
        (Choice("y", "end it", "stop"),),
        leave="stay",
    )


def quit_question(active: int, waiting: int, ending: int, url: str) -> Question:
    """Whether to leave a console whose coordinator ends with it; the runners of ``ending`` jobs
    keep none while it is away."""
    work = (
        f"{plural(active, 'job')} running, {waiting} waiting"
        if active or waiting
        else ("nothing is running and nothing waits")
    )
    stop = "stop it: runners keep their jobs until it is back"
    if ending:
        stop = f"stop it and {plural(ending, 'job')}, to be run again when it is back"
    return Question(
        "Leave the console?",
        (f"the coordinator at {url} runs in this window", work),
        (
            Choice("k", "keep it running, without a console; attach comes back to it", "keep"),
            Choice("s", stop, "stop"),
        ),
        leave="stay",
    )


class Target(NamedTuple):
    """A place a job can be moved to."""

    value: str
    """``runner:ID`` or ``queue:NAME``."""
    name: str
    detail: str
    is_eligible: bool = True
    role: Role = "plain"
    """Of the detail."""


VERDICT_WORDS: dict[str, str] = {
    "eligible": "free now",
    "type": "cannot do this type",
    "label": "lacks a label",
    "slot": "no free slot",
    "limit": "the queue is at its limit",
    "pause": "the queue is paused",
    "schedule": "not due yet",
    "pin": "another runner is asked for",
    "draining": "draining",
    "disconnected": "not connected",
    "faulty": "no work can be brought to it",
    "withheld": "lost this job a moment ago",
}


def verdict_words(verdict: VerdictView) -> str:
    """Why a runner will, or will not, take a job."""
    words = VERDICT_WORDS.get(verdict.verdict, verdict.verdict)
    detail = clean(verdict.detail)
    return f"{words}: {detail}" if detail and detail != words else words


def targets(
    jobs: Sequence[JobView], verdicts: Sequence[VerdictView], queues: Sequence[QueueView]
) -> list[Target]:
    """Where to: runners that would take it first, then the others with why not, then queues."""
    held_by = {job.runner.id for job in jobs if job.runner and job.state in ACTIVE_STATES}
    runners = [_runner_target(verdict, held_by) for verdict in verdicts]
    runners.sort(key=lambda target: (not target.is_eligible, target.name))
    own = {job.queue for job in jobs}
    lines = [
        Target(f"queue:{queue.name}", f"queue {clean(queue.name)}", _queue_words(queue))
        for queue in queues
        if {queue.name} != own
    ]
    return runners + lines


def _runner_target(verdict: VerdictView, held_by: Container[str]) -> Target:
    value, name = f"runner:{verdict.runner.id}", clean(verdict.runner.name)
    if verdict.runner.id in held_by:
        return Target(value, name, "has it now", is_eligible=False)
    is_free = verdict.verdict == "eligible"
    return Target(value, name, verdict_words(verdict), is_free, "good" if is_free else "plain")


def _queue_words(queue: QueueView) -> str:
    paused = "paused, " if queue.paused_at else ""
    return f"{paused}{queue.waiting} waiting, {queue.active} running"

"""What dialogs say, as text: so that what an operator is told can be tested without a screen."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from server.filters import quoted
from server.model import ACTIVE_STATES, FINAL_STATES, WAITING_STATES
from traffic_tui.state.event_columns import event_words
from traffic_tui.state.formats import clean, day_and_time, duration, share
from traffic_tui.state.glyphs import JOB_MARKS

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from server.wire.operator import (
        EventView,
        JobView,
        QueueView,
        RunnerLogLine,
        RunnerView,
        VerdictView,
    )
    from traffic_tui.state.glyphs import Role
    from traffic_tui.state.row_context import RowContext


NOTHING_CONNECTED = "Nothing is connected to it yet."
MAX_LOG_LINES = 200
"""Of what a runner printed, in its dialog."""


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
    is_begun = job.state not in WAITING_STATES  # what was done in its last try is done anew
    if is_begun and job.progress and job.progress.current is not None and job.progress.total:
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
    where = f" on {_plural(len(runners), 'runner')}" if runners else ""
    types = Counter(clean(job.type) for job in jobs).most_common(3)
    return (
        ", ".join(f"{count} {word}" for word, count in states.most_common()) + where,
        ", ".join(f"{count} {word}" for word, count in types)
        + (" and more" if len({job.type for job in jobs}) > len(types) else ""),
    )


def _plural(count: int, word: str) -> str:
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
    held = f"holds {_plural(runner.busy, 'job')}, {runner.capacity} slots"
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
        f"holds {_plural(runner.busy, 'job')}: they are placed elsewhere"
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
        f"{_plural(active, 'job')} running, {waiting} waiting"
        if active or waiting
        else ("nothing is running and nothing waits")
    )
    stop = "stop it: runners keep their jobs until it is back"
    if ending:
        stop = f"stop it and {_plural(ending, 'job')}, to be run again when it is back"
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


# runners and queues ---------------------------------------------------------------------------


def runner_filter(runner: RunnerView) -> str:
    """The filter for a runner's jobs."""
    return f"runner:{quoted(runner.name)}"


def runner_note(runner: RunnerView, context: RowContext) -> str:
    """One line on a runner: what is wrong with it, else what it does."""
    name, now = clean(runner.name), context.now
    seen = duration(now - runner.last_seen_at)
    if runner.state == "lost":
        return f"{name}: not heard for {seen}; what it held is placed elsewhere"
    if runner.state == "gone":
        return f"{name}: it ended by itself {seen} ago; nothing can be given to it"
    if runner.state == "quiet":
        return (
            f"{name}: {_plural(runner.busy, 'job')} silent for {_quiet(runner, now)} while it beats"
        )
    if runner.draining_since:
        return f"{name}: {_drain_words(runner, context)}"
    if runner.fault:
        return f"{name}: work cannot be brought to it: {clean(runner.fault)}"
    types = ", ".join(clean(one) for one in runner.types[:8])
    return f"{name}: {clean(runner.version)} {clean(runner.protocol)} can do {types or 'nothing'}"


def _quiet(runner: RunnerView, now: int) -> str:
    return duration(now - runner.quiet_since)


def _drain_words(runner: RunnerView, context: RowContext) -> str:
    since = day_and_time(runner.draining_since, context.zone, now=context.now)
    by = f" by {clean(runner.drained_by)}" if runner.drained_by else ""
    reason = f' "{clean(runner.drain_reason)}"' if runner.drain_reason else ""
    left = f"; {_plural(runner.busy, 'job')} left" if runner.busy else "; safe to switch off"
    if not runner.drain_deadline or not runner.busy:
        return f"draining{by} since {since}{reason}{left}"
    until = day_and_time(runner.drain_deadline, context.zone, now=context.now)
    return f"draining{by} since {since}{reason}{left}; what is left at {until} moves elsewhere"


def runner_words(runner: RunnerView, events: Sequence[EventView], context: RowContext) -> list[str]:
    """What is known about a runner, for a dialog."""
    now = context.now
    labels = " ".join(f"{key}={value}" for key, value in runner.labels.items())
    lacks = [words for letter, words in ABILITIES.items() if letter not in runner.can]
    lines = [
        runner_note(runner, context),
        "",
        f"slots     {runner.busy} of {runner.capacity} busy",
        f"heard     {duration(now - runner.last_seen_at)} ago" if runner.last_seen_at else "",
        f"connected {duration(now - runner.connected_at)}" if runner.connected_at else "no session",
        f"address   {clean(runner.address)}",
        f"labels    {clean(labels)}" if labels else "",
        f"types     {clean(' '.join(runner.types))}",
        f"cannot    {', '.join(lacks)}" if lacks else "",
        f"an hour   {runner.done_last_hour} done, {runner.failed_last_hour} failed",
    ]
    told = [
        f"{day_and_time(event.at, context.zone, now=now)}  {event_words(event)}"
        f"{_about(event)}  {clean(event.reason, 200)}".rstrip()
        for event in events
    ]
    return [line for line in lines if line] + (["", "lately", *told] if told else [])


def _about(event: EventView) -> str:
    if event.number:
        return f" {event.number}"
    return f" {_plural(len(event.jobs), 'job')}" if event.jobs else ""


def runner_log_words(log: Sequence[RunnerLogLine], context: RowContext) -> list[str]:
    """What a runner printed beside its jobs, where the coordinator started it."""
    if not log:
        return []
    lines = [
        f"{day_and_time(line.at, context.zone, now=context.now)}  {line.stream:<11}  "
        f"{clean(line.text, 500)}".rstrip()
        for line in log[-MAX_LOG_LINES:]
    ]
    return ["", "printed lately, newest last", *lines]


ABILITIES: dict[str, str] = {
    "s": "be stopped while running",
    "o": "send output while running",
    "l": "keep its jobs while the coordinator restarts",
    "r": "report progress",
}
"""The letters under CAN, in words."""


def queue_note(queue: QueueView, context: RowContext) -> str:
    """One line on a queue."""
    name = clean(queue.name)
    if queue.paused_at:
        since = duration(context.now - queue.paused_at)
        reason = f': "{clean(queue.pause_reason)}"' if queue.pause_reason else ""
        return f"{name}: paused by {clean(queue.paused_by)} {since} ago{reason}"
    facts = [f"{queue.waiting} waiting"]
    if queue.scheduled:
        facts.append(f"{queue.scheduled} put off")
    facts += [f"{queue.active} running", f"{queue.failed} failed", f"{queue.completed} done"]
    if queue.limit is not None and queue.active >= queue.limit:
        facts.append("at its limit")
    return f"{name}: {', '.join(facts)}"


# the first run --------------------------------------------------------------------------------


def welcome_words(
    url: str, data_folder: str, *, is_embedded: bool, runners: int
) -> tuple[list[str], list[tuple[str, str]]]:
    """What the first run says above its choices, and the facts below them."""
    connected = f"{_plural(runners, 'runner')} connected." if runners else NOTHING_CONNECTED
    if is_embedded:
        intro = f"A coordinator is running in this window. {connected}"
        closing = "q stops the coordinator, or keeps it running without a console"
    else:
        intro = f"This console is on {clean(url)}. {connected}"
        closing = "q closes this console; the coordinator runs on"
    reach = "this box only; other boxes need TLS" if _is_loopback(url) else "other boxes too"
    facts = [("address", f"{clean(url)}   {reach}")]
    if data_folder:
        facts.append(("data", clean(data_folder)))
        facts.append(("keys", f"{clean(data_folder)}/keys.toml, readable by you alone"))
    return [intro], [*facts, ("closing", closing)]


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def invitation(url: str) -> list[str]:
    """How a runner on another box is added."""
    lines = [
        "here, once: a key for it, shown one time",
        "",
        "  traffic-tui keys create --name NAME --role runner",
        "",
        "there: the key in a file, then",
        "",
        f"  traffic-tui agent --url {clean(url)} --key-file FILE",
    ]
    if _is_loopback(url):
        lines += [
            "",
            "this coordinator listens on this box only: give it [server] host and",
            "[server.tls] in its configuration first, then use that address",
        ]
    return lines


def fleet_words(url: str, data_folder: str) -> list[str]:
    """How runners and clients of other systems are pointed here."""
    keys = f"{clean(data_folder)}/keys.toml" if data_folder else "the coordinator's keys.toml"
    return [
        "runners and clients of Runpack work as they are; give them",
        "",
        f"  address      {clean(url)}",
        f"  runner key   the key 'runner' in {keys}",
        f"  client key   the key 'submit' in {keys}",
        "",
        "the others work once the configuration says who may come:",
        "",
        "  Traffic Light   allow in [protocols.native-v1]: addresses of runners",
        "  RRQ             [protocols.rrq.runners.NAME]: pools to start or to dial",
        "  Treadmill       [[protocols.treadmill.supervisors]]: each with its token",
        "  Workernator     [protocols.workernator]: certificates, and who may do what",
        "",
        "they appear under :runners as soon as they say hello",
    ]

"""Runners, queues, events and keys in words: columns and sheets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.cli.tables import Column, Fact, Look, span
from traffic_tui.state.event_columns import event_reason
from traffic_tui.state.formats import age, clean, count, day_and_time, share
from traffic_tui.state.glyphs import QUEUE_MARKS, RUNNER_MARKS, Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import EventView, KeyView, QueueView, RunnerLogLine, RunnerView
    from traffic_tui.state.glyphs import Role

ABILITIES = {"s": "be stopped", "o": "send output", "l": "keep jobs", "r": "report progress"}


def _age(since_ms: int, look: Look) -> Span:
    return span(age(look.now_ms - since_ms) if since_ms else "")


def labels_text(labels: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(labels.items()))


def _failed_share(runner: RunnerView) -> str:
    return share(runner.failed_last_hour, runner.done_last_hour + runner.failed_last_hour)


RUNNER_COLUMNS: tuple[Column[RunnerView], ...] = (
    Column("RUNNER", lambda runner, _: span(runner.name)),
    Column("STATE", lambda runner, look: look.mark(RUNNER_MARKS[runner.state])),
    Column("SLOTS", lambda runner, _: span(f"{runner.busy}/{runner.capacity}"), is_right=True),
    Column("BEAT", lambda runner, look: _age(runner.last_seen_at, look), is_right=True),
    Column("QUIET", lambda runner, look: _age(runner.quiet_since, look), is_right=True),
    Column("DONE/h", lambda runner, _: span(count(runner.done_last_hour)), is_right=True),
    Column("FAIL", lambda runner, _: span(_failed_share(runner)), is_right=True),
    Column("KIND", lambda runner, _: span(runner.protocol)),
    Column("TYPES", lambda runner, _: span(",".join(runner.types)), is_flexible=True),
    Column("LABELS", lambda runner, _: span(labels_text(runner.labels)), is_flexible=True),
    Column("CAN", lambda runner, _: span(runner.can), is_wide=True),
    Column("ADDRESS", lambda runner, _: span(runner.address), is_wide=True),
    Column("UP", lambda runner, look: _age(runner.connected_at, look), is_wide=True),
    Column("VERSION", lambda runner, _: span(runner.version), is_wide=True),
    Column("ID", lambda runner, _: span(runner.id), is_wide=True),
)


def runner_facts(runner: RunnerView, look: Look) -> list[Fact]:
    """One runner, a line a fact; what is empty is left out."""
    facts = [
        Fact("runner", span(f"{runner.name}  {runner.id}")),
        Fact("state", look.mark(RUNNER_MARKS[runner.state])),
        Fact("fault", span(runner.fault, "warn")),
        Fact("kind", span(runner.protocol)),
        Fact("slots", span(f"{runner.busy} of {runner.capacity} busy")),
        Fact("phase", span(runner.phase)),
        Fact("can", span(_abilities(runner.can))),
        Fact("types", span(", ".join(runner.types))),
        Fact("labels", span(labels_text(runner.labels))),
        Fact("address", span(runner.address)),
        Fact("version", span(runner.version)),
        Fact("known", _age(runner.registered_at, look)),
        Fact("up", _age(runner.connected_at, look)),
        Fact("beat", _age(runner.last_seen_at, look)),
        Fact("quiet", _age(runner.quiet_since, look)),
        Fact("done/h", span(f"{runner.done_last_hour}, {runner.failed_last_hour} failed")),
        Fact("drained", span(_drain_words(runner, look), "warn")),
    ]
    return [fact for fact in facts if fact.value.text != "-"]


def log_lines(log: Sequence[RunnerLogLine], look: Look) -> list[list[Span]]:
    """What a runner printed, each line with its time and stream, under a title."""
    lines = [[], [Span("printed lately", "title")]]
    for line in log:
        at = day_and_time(line.at, "local", now=look.now_ms)
        role: Role = "muted" if line.stream == "coordinator" else "plain"
        lines.append([Span(f"{at}  {line.stream:<11}  ", "muted"), Span(clean(line.text), role)])
    return lines


def _abilities(letters: str) -> str:
    return ", ".join(words for letter, words in ABILITIES.items() if letter in letters)


def _drain_words(runner: RunnerView, look: Look) -> str:
    if not runner.draining_since:
        return ""
    words = f"since {day_and_time(runner.draining_since, 'local', now=look.now_ms)}"
    if runner.drained_by:
        words += f" by {runner.drained_by}"
    if runner.drain_reason:
        words += f", {runner.drain_reason}"
    if runner.drain_deadline:
        words += f"; rest moves at {day_and_time(runner.drain_deadline, 'local', now=look.now_ms)}"
    return words


def _queue_state(queue: QueueView, look: Look) -> Span:
    return look.mark(QUEUE_MARKS["paused" if queue.paused_at else "open"])


def _pause_words(queue: QueueView) -> str:
    by = f"by {queue.paused_by}" if queue.paused_by else ""
    return ", ".join(part for part in (by, queue.pause_reason) if part)


QUEUE_COLUMNS: tuple[Column[QueueView], ...] = (
    Column("QUEUE", lambda queue, _: span(queue.name)),
    Column("STATE", _queue_state),
    Column("WAITING", lambda queue, _: span(count(queue.waiting)), is_right=True),
    Column("OLDEST", lambda queue, look: _age(queue.oldest_pending_at, look), is_right=True),
    Column("RUNNING", lambda queue, _: span(count(queue.active)), is_right=True),
    Column("LIMIT", lambda queue, _: span("none" if queue.limit is None else queue.limit),
           is_right=True),
    Column("IN/h", lambda queue, _: span(count(queue.in_last_hour)), is_right=True),
    Column("OUT/h", lambda queue, _: span(count(queue.out_last_hour)), is_right=True),
    Column("SCHEDULED", lambda queue, _: span(count(queue.scheduled)), is_right=True, is_wide=True),
    Column("COMPLETED", lambda queue, _: span(count(queue.completed)), is_right=True, is_wide=True),
    Column("FAILED", lambda queue, _: span(count(queue.failed)), is_right=True),
    Column("PAUSED", lambda queue, _: span(_pause_words(queue)), is_flexible=True),
)  # fmt: skip


def queue_facts(queue: QueueView, look: Look) -> list[Fact]:
    """One queue after something was done to it."""
    limit = "none" if queue.limit is None else str(queue.limit)
    facts = [
        Fact("queue", span(queue.name)),
        Fact("state", _queue_state(queue, look)),
        Fact("paused", span(_pause_words(queue))),
        Fact("limit", span(limit)),
        Fact("waiting", span(count(queue.waiting))),
        Fact("running", span(count(queue.active))),
    ]
    return [fact for fact in facts if fact.value.text != "-"]


TOLD = ("name", "role", "from", "to", "as")
"""What of an event's data has a place in its line; JSON has all of it."""


def _told(data: object) -> str:
    """``from 3 to none``: what a line about a limit, a move or a key says nothing without."""
    if not isinstance(data, dict):
        return ""
    words = {key: "none" if data[key] is None else data[key] for key in TOLD if key in data}
    return " ".join(f"{key} {value}" for key, value in words.items())


def event_spans(event: EventView, look: Look) -> list[Span]:
    """One event as a line that a stream can print without knowing the others."""
    about = [
        f"job {event.number}" if event.number else "",
        f"{len(event.jobs)} jobs" if not event.number and event.jobs else "",
        f"try {event.attempt}" if event.attempt else "",
        f"on {event.runner.name}" if event.runner else "",
        f"queue {event.queue}" if event.queue else "",
        _told(event.data),
    ]
    words = "  ".join(part for part in about if part)
    reason = event_reason(event)
    return [
        Span(f"{event.seq:>8}  ", "muted"),
        Span(day_and_time(event.at, "local", now=look.now_ms) + "  ", "muted"),
        Span(f"{event.kind:<17}  ", "title"),
        span(f"{words}  by {event.actor or 'nobody known'}".strip()),
        span(f"  {reason}" if reason else " ", "muted"),
    ]


def _key_state(key: KeyView, look: Look) -> Span:
    if key.revoked_at:
        return span("revoked", "bad")
    if key.expires_at and key.expires_at <= look.now_ms:
        return span("expired", "bad")
    return span("good", "good")


KEY_COLUMNS: tuple[Column[KeyView], ...] = (
    Column("KEY", lambda key, _: span(key.name)),
    Column("ROLE", lambda key, _: span(key.role)),
    Column("STATE", _key_state),
    Column("MADE", lambda key, look: span(day_and_time(key.created_at, "local", now=look.now_ms))),
    Column("UNTIL", lambda key, look: span(day_and_time(key.expires_at, "local", now=look.now_ms))),
    Column("FROM", lambda key, _: span(key.source)),
)

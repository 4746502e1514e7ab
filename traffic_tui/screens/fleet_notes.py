"""What is said of runners and queues: the line below their lists, and the dialog of a runner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.filters import quoted
from traffic_tui.screens.wording import plural
from traffic_tui.state.event_columns import event_words
from traffic_tui.state.formats import clean, day_and_time, duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import EventView, QueueView, RunnerLogLine, RunnerView
    from traffic_tui.state.row_context import RowContext

MAX_LOG_LINES = 200
"""Of what a runner printed, in its dialog."""


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
            f"{name}: {plural(runner.busy, 'job')} silent for {_quiet(runner, now)} while it beats"
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
    left = f"; {plural(runner.busy, 'job')} left" if runner.busy else "; safe to switch off"
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
    return f" {plural(len(event.jobs), 'job')}" if event.jobs else ""


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

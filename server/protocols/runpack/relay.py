"""NotifyRelay's ``/poll``: runners that wait here hear of work at once.

A subscriber is somebody who polls again and again under one id. What happens between two of its
polls waits for it in its own bounded buffer; when that overflows it is simply told to look.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from server.bus import BusClosed, Lagged
from server.events import Event
from server.placement import matches_type
from server.protocols.runpack.answers import Answer, answer, encode
from server.submission import RUNPACK_KEYS
from server.traits import RUNPACK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.bus import Subscription
    from server.coordinator import Coordinator, JobSnapshot
    from server.events import EventKind
    from server.protocols.runpack.codec import Poll
    from server.store.base import Tx

TOPIC = "runpack_notifications"
MAX_POLL_SECONDS = 54.0
"""Its clients give up at 55 s and more."""
BUFFERED_EVENTS = 1_000
MAX_SUBSCRIBERS = 256
IDLE_SECONDS = 180.0
"""A subscriber that has not polled for so long is gone."""
GATHER_SECONDS = 0.05
"""After something that was nothing to it, a poll sleeps so long: on a busy system commits come by
the hundred, and each would wake every poll."""
PAUSE_SECONDS = 0.2
"""Least time between two answers to one subscriber: on a busy system each is a round trip, and
its runner looks only once a second."""
MAX_LOOKED_UP = 20
RETELL_SECONDS = 5.0
"""While work waits that runners here could do, they are told again this often: one of them gives
up for minutes after losing a race for one job, or after missing one message."""

NEW_WORK: frozenset[EventKind] = frozenset({"submitted", "queued", "reassigned"})
"""Jobs may have become claimable; the events name them."""
MORE_ROOM: frozenset[EventKind] = frozenset({"queue_resumed", "queue_limited", "runner_resumed"})
"""Jobs that waited before may be claimable now."""
FREED: frozenset[EventKind] = frozenset(
    {"completed", "failed", "scheduled", "stopped", "attempt_ended", "abandoned"}
)
"""A runner may be idle now: after a job it looks for another only when it is told of one."""


@dataclass(slots=True)
class Subscriber:
    """One who polls, with what happened since its last answer."""

    subscription: Subscription
    seen_at: float
    answered_at: float = 0.0
    is_parked: bool = False
    is_fresh: bool = True
    must_look: bool = False
    """Something happened that names no job."""
    must_check: bool = False
    """A runner may be idle, so it matters whether anything waits."""
    jobs: deque[int] = field(default_factory=lambda: deque(maxlen=MAX_LOOKED_UP))
    """Row ids of jobs that may have become claimable; a few, as one makes a runner look."""

    def note(self, event: Event) -> None:
        """Keep what matters of what happened, until it is answered."""
        if event.kind in NEW_WORK:
            self.jobs.extend(event.jobs()[-MAX_LOOKED_UP:])
        elif event.kind in MORE_ROOM:
            self.must_look = True
        elif event.kind in FREED:
            self.must_check = True

    @property
    def has_notes(self) -> bool:
        return bool(self.jobs) or self.must_look or self.must_check

    def forget(self) -> None:
        """What was noted has been told, or is not worth telling."""
        self.jobs.clear()
        self.must_look = self.must_check = False


class NotifyRelay:
    """Answers polls when there is something to claim."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._subscribers: OrderedDict[str, Subscriber] = OrderedDict()

    async def poll(self, asked: Poll) -> Answer:
        """Messages, as soon as there are some; none when the time is up."""
        subscriber = self._subscriber(asked.subscriber)
        seconds = min(asked.timeout_ms / 1000, MAX_POLL_SECONDS)
        messages: list[dict[str, Any]] = []
        subscriber.is_parked = True
        try:
            if subscriber.is_fresh:
                await self._look_back(subscriber)
            async with asyncio.timeout(seconds):
                messages = await self._messages(subscriber, is_wanted=TOPIC in asked.topics)
        except (TimeoutError, BusClosed):
            pass
        finally:
            subscriber.is_parked = False
            subscriber.seen_at = self._monotonic()
            if subscriber is not self._subscribers.get(asked.subscriber):
                subscriber.subscription.close()
        return answer(200, messages={TOPIC: messages} if messages else {})

    def __len__(self) -> int:
        return len(self._subscribers)

    def _subscriber(self, name: str) -> Subscriber:
        """The one of that id. A second poll at the same time gets one of its own, for that call;
        so does everybody where there are too many to be kept."""
        self._drop_idle()
        known = self._subscribers.get(name)
        if known is not None and not known.is_parked:
            self._subscribers.move_to_end(name)
            return known
        subscription = self._coordinator.bus.subscribe(capacity=BUFFERED_EVENTS)
        fresh = Subscriber(subscription, seen_at=self._monotonic())
        if known is None and len(self._subscribers) < MAX_SUBSCRIBERS:
            self._subscribers[name] = fresh
        return fresh

    def _drop_idle(self) -> None:
        idle_since = self._monotonic() - IDLE_SECONDS
        for name, subscriber in list(self._subscribers.items()):
            is_over = len(self._subscribers) >= MAX_SUBSCRIBERS
            if not subscriber.is_parked and (is_over or subscriber.seen_at < idle_since):
                del self._subscribers[name]
                subscriber.subscription.close()

    async def _messages(self, subscriber: Subscriber, *, is_wanted: bool) -> list[dict[str, Any]]:
        """Wait for something to tell. What was noted stays noted until it is told."""
        if not is_wanted:
            await asyncio.Event().wait()
        while True:
            messages = await self._noted(subscriber)
            if messages:
                await self._pause(subscriber)
            subscriber.forget()
            if messages:
                subscriber.answered_at = self._monotonic()
                return messages
            await self._listen(subscriber)
            if not subscriber.has_notes:
                await asyncio.sleep(GATHER_SECONDS)

    async def _listen(self, subscriber: Subscriber) -> None:
        """Wait for something to happen, or for the time to look by oneself."""
        try:
            async with asyncio.timeout(RETELL_SECONDS):
                items = await subscriber.subscription.next()
        except (Lagged, TimeoutError):
            subscriber.must_check = True
        else:
            for item in items:
                if isinstance(item, Event) and (item.kind not in FREED or self._is_here(item)):
                    subscriber.note(item)

    async def _look_back(self, subscriber: Subscriber) -> None:
        """Whoever polls for the first time, or anew after a restart, may have missed something."""
        subscriber.must_look = await self._is_work_waiting()
        subscriber.is_fresh = False

    async def _pause(self, subscriber: Subscriber) -> None:
        seconds_left = subscriber.answered_at + PAUSE_SECONDS - self._monotonic()
        if seconds_left > 0:
            await asyncio.sleep(seconds_left)

    async def _noted(self, subscriber: Subscriber) -> list[dict[str, Any]]:
        if subscriber.must_look or (subscriber.must_check and await self._is_work_waiting()):
            return [self._message(None)]
        snapshots = await self._claimable(list(subscriber.jobs))
        return [self._message(snapshot) for snapshot in snapshots]

    async def _claimable(self, numbers: Sequence[int]) -> list[JobSnapshot]:
        """Those jobs that wait and that runners here could do."""
        if not numbers:
            return []
        jobs = await self._coordinator.store.apply(lambda tx: tx.jobs(numbers))
        uuids = [job.uuid for job in jobs.values() if job.state == "pending"]
        snapshots = await asyncio.gather(*map(self._coordinator.job_with_attempt, uuids))
        return [found for found in snapshots if found is not None and self._is_ours(found)]

    def _is_ours(self, snapshot: JobSnapshot) -> bool:
        if snapshot.details.origin == RUNPACK.protocol:
            return True
        return self._is_done_here(snapshot.job_class.type)

    def _is_done_here(self, job_type: str) -> bool:
        """Whether a runner here said that it does such jobs; while there is none, any may come."""
        runners = [one for one in self._coordinator.runners() if one.protocol == RUNPACK.protocol]
        return not runners or any(matches_type(runner.types, job_type) for runner in runners)

    def _is_here(self, event: Event) -> bool:
        """Whether an event is about a runner of this protocol."""
        runner = self._coordinator.runner(event.runner)
        return runner is not None and runner.protocol == RUNPACK.protocol

    async def _is_work_waiting(self) -> bool:
        """Whether anything waits, in a queue that is not paused, that runners here could do."""

        def read(tx: Tx) -> bool:
            return any(
                self._is_done_here(job_class.type)
                and not ((queue := tx.queue(job_class.queue)) and queue.is_paused)
                for job_class in tx.waiting_classes()
            )

        return await self._coordinator.store.apply(read)

    def _message(self, snapshot: JobSnapshot | None) -> dict[str, Any]:
        """One message; its text is JSON once more. Without a job it says: look."""
        now = self._coordinator.clock.now_ms()
        told = {
            "type": "new_job",
            "job_id": None if snapshot is None else snapshot.job.uuid,
            "job_hash": None if snapshot is None else _hash(snapshot),
            "job_type": None if snapshot is None else snapshot.job_class.type,
            "timestamp": now,
        }
        return {"message": encode(told).decode("utf-8"), "timestamp": now}

    def _monotonic(self) -> float:
        return self._coordinator.clock.monotonic()


def _hash(snapshot: JobSnapshot) -> str | None:
    key = snapshot.details.cache_key
    return None if key is None else key.removeprefix(RUNPACK_KEYS)

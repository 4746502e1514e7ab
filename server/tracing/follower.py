"""Follows what is committed, and has spans written of it: off the loop, and behind everybody.

What this is too slow for is left out and told of; the coordinator waits for nothing here.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeVar

from server.bus import BusClosed, Lagged
from server.errors import TrafficError
from server.events import Event
from server.repeats import Repeats
from server.tracing.spans import attempt_spans, submit_span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from server.bus import Item, Subscription
    from server.coordinator import Coordinator
    from server.tracing.spans import SpanFacts

V = TypeVar("V")

CAPACITY: Final = 20_000
"""Events that may wait to become spans; a batch of jobs is one."""
MAX_REMEMBERED: Final = 20_000
CHUNK: Final = 500
"""Jobs or attempts that are read at once."""
DRAIN_SECONDS: Final = 0.7
CLOSE_SECONDS: Final = 0.9
"""Both together are less than the two seconds that a service has to end."""
_ENDS: Final = frozenset(
    {"completed", "failed", "stopped", "expired", "queued", "scheduled", "attempt_ended"}
)
"""Events that may be told when an attempt has ended."""

logger = logging.getLogger(__name__)


class Writer(Protocol):
    """Where spans go. Used by one thread at a time; may block."""

    def write(self, spans: Iterable[SpanFacts]) -> None: ...

    def close(self) -> None: ...


class _Happened(NamedTuple):
    """What a batch of events speaks of, by row id."""

    submitted: list[int]
    ended: list[int]
    """Attempts that have probably ended."""


class SpanFollower:
    """A service of the coordinator that lives as long as it does."""

    name = "tracing"

    def __init__(self, coordinator: Coordinator, writer: Writer) -> None:
        self._coordinator = coordinator
        self._writer = writer
        self._subscription: Subscription | None = None
        self._task: asyncio.Task[None] | None = None
        self._queued_at: OrderedDict[int, int] = OrderedDict()
        """Job -> when it last came into the line, if not when it was made."""
        self._told: OrderedDict[int, None] = OrderedDict()
        """Attempts that have their spans."""
        self._repeats = Repeats()

    async def start(self) -> None:
        """Begin; what was committed before gets no spans."""
        self._subscription = self._coordinator.bus.subscribe(capacity=CAPACITY)
        self._task = asyncio.create_task(self._run(self._subscription), name="tracing")

    async def stop(self) -> None:
        """Write what was committed, send it, and end; what takes too long is left behind."""
        task, self._task = self._task, None
        if task is None or self._subscription is None:
            return
        self._subscription.close()
        _, late = await asyncio.wait([task], timeout=DRAIN_SECONDS)
        if late:
            task.cancel()
            await asyncio.wait([task])
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await in_daemon(self._writer.close)
        except TimeoutError:
            logger.warning("the collector of spans did not take the last of them in time")

    async def _run(self, subscription: Subscription) -> None:
        while True:
            try:
                await self._follow(await subscription.next())
            except Lagged:
                self._tell("more happened than was sent")
            except BusClosed:
                return
            except TrafficError as error:
                self._tell(error.message)
            except Exception:
                # The boundary of tracing: one batch that fails must not end all later ones.
                logger.exception("spans of some jobs are left out")

    def _tell(self, why: str) -> None:
        if self._repeats.is_news(why, self._coordinator.clock.monotonic()):
            logger.warning("spans of some jobs are left out: %s", why)

    async def _follow(self, items: list[Item]) -> None:
        seen_at = self._coordinator.clock.now_ms()
        happened = self._sort(items)
        reads = self._coordinator.store.reads
        for part in _chunks(happened.submitted):
            jobs = await reads.traced_jobs(part)
            await self._write([submit_span(job, seen_at) for job in jobs])
        for part in _chunks(happened.ended):
            spans: list[SpanFacts] = []
            for attempt in await reads.traced_attempts(part):
                _remember(self._told, attempt.id, None)
                queued_at = self._queued_at.pop(attempt.job.number, 0)
                known_at = queued_at if queued_at <= attempt.started_at else 0
                spans += attempt_spans(attempt, known_at)
                if known_at != queued_at:  # it stands in line again since
                    self._queued_at[attempt.job.number] = queued_at
            await self._write(spans)

    def _sort(self, items: Iterable[Item]) -> _Happened:
        submitted: list[int] = []
        ended: dict[int, None] = {}
        for event in items:
            if not isinstance(event, Event):
                continue
            if event.kind == "submitted":
                submitted += event.jobs()
            elif event.kind in _ENDS:
                pairs = event.members or ((event.job, event.attempt),)
                ended.update((attempt, None) for _, attempt in pairs if attempt)
                if event.kind == "queued":
                    for job, _ in pairs:
                        _remember(self._queued_at, job, event.at)
        return _Happened(submitted, [one for one in ended if one not in self._told])

    async def _write(self, spans: list[SpanFacts]) -> None:
        if spans:
            await in_daemon(lambda: self._writer.write(spans))


def _chunks(ids: list[int]) -> list[list[int]]:
    return [ids[begin : begin + CHUNK] for begin in range(0, len(ids), CHUNK)]


def _remember(book: OrderedDict[int, V], key: int, value: V) -> None:
    book[key] = value
    book.move_to_end(key)
    if len(book) > MAX_REMEMBERED:
        book.popitem(last=False)


async def in_daemon(call: Callable[[], None]) -> None:
    """Run what may block in a thread that never keeps the program from ending."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        failure: BaseException | None = None
        try:
            call()
        except Exception as error:  # handed to whoever waits
            failure = error
        try:
            loop.call_soon_threadsafe(settle, failure)
        except RuntimeError:
            return  # the loop ended meanwhile, and nobody waits

    threading.Thread(target=run, name="tracing", daemon=True).start()
    await done

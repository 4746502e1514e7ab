"""What all groups of use cases share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from server.bus import Bus
from server.coordinator.called import CallTally
from server.coordinator.memory import Memory
from server.coordinator.runner_logs import RunnerLogs
from server.ids import new_uuid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.clock import Clock
    from server.settings import Settings
    from server.store.base import Store, Tx

T = TypeVar("T")

DEFAULT_GRACE_MS = 10_000


class Calls:
    """The store's only writer, and the memory that follows it."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self.store = store
        self.settings = settings
        self.clock = clock
        self.bus = Bus()
        self.name = new_uuid()
        """This coordinator's own id; another start is another coordinator."""
        self.runner_logs = RunnerLogs(clock)
        """What runners print that are started here, beside their jobs."""
        self.called = CallTally()
        """Calls of runners' webhooks, and knocks at them."""
        self._memory = Memory(settings, clock, self.bus)
        self._is_stopping = False

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping

    @property
    def output_bytes(self) -> int:
        """Console bytes taken in since the start."""
        return self._memory.output_bytes

    def _apply(self, operation: Callable[[Tx], T]) -> Awaitable[T]:
        return self.store.apply(operation)

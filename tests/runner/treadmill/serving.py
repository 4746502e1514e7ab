"""A supervisor with a Treadmill connector, as an agent puts them together, for one test."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.runner.treadmill.switchboard import SUPERVISOR, TOKEN
from traffic_tui.runner.connectors.link import Address
from traffic_tui.runner.connectors.treadmill import TreadmillConnector
from traffic_tui.runner.journal import Journal
from traffic_tui.runner.registry import Registry
from traffic_tui.runner.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from traffic_tui.runner.journal import JournalLimits


def handlers(**named: Any) -> Registry:
    """A registry of these."""
    registry = Registry()
    for name, handler in named.items():
        registry.register(name, handler)
    return registry


@dataclass
class Serving:
    """A supervisor at work."""

    supervisor: Supervisor
    connector: TreadmillConnector
    journal: Journal
    task: asyncio.Task[None]


@asynccontextmanager
async def supervisor(
    url: str,
    folder: Path,
    registry: Registry,
    *,
    slots: int = 1,
    token: str = TOKEN,
    name: str = SUPERVISOR,
    limits: JournalLimits | None = None,
) -> AsyncIterator[Serving]:
    """Serve ``url`` until the block ends; what runs then is stopped."""
    journal = Journal(folder / "spool" / "boot", limits)
    journal.open()
    connector = TreadmillConnector(Address(url, token), name, journal)
    made = Supervisor(registry, connector, slots=slots)
    task = asyncio.ensure_future(connector.run(made))
    try:
        yield Serving(made, connector, journal, task)
    finally:
        connector.stop(0.5)
        await made.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
        journal.close()

"""A supervisor with a native-v2 connector, as an agent puts them together, for one test."""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from traffic_tui.runner.connectors.link import Address
from traffic_tui.runner.connectors.native_session import Introduction
from traffic_tui.runner.connectors.native_v2 import NativeV2Connector
from traffic_tui.runner.jobs import built_in
from traffic_tui.runner.journal import Journal, JournalLimits
from traffic_tui.runner.processes import ProcessGroups
from traffic_tui.runner.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from traffic_tui.runner.registry import Registry


@dataclass
class Serving:
    """A runner at work."""

    supervisor: Supervisor
    connector: NativeV2Connector
    journal: Journal
    task: asyncio.Task[None]


@asynccontextmanager
async def runner(
    url: str,
    folder: Path,
    *,
    key: str = "the-key",
    slots: int = 4,
    registry: Registry | None = None,
    limits: JournalLimits | None = None,
    name: str = "box",
) -> AsyncIterator[Serving]:
    """Serve ``url`` until the block ends; what runs then is stopped."""
    groups = ProcessGroups()
    journal = Journal(folder / "spool" / "boot", limits)
    journal.open()
    registry = registry or built_in(groups, allow_command=True)
    connector = NativeV2Connector(
        Address(url, key), Introduction(name, slots, registry.names), journal
    )
    supervisor = Supervisor(registry, connector, slots=slots)
    task = asyncio.ensure_future(connector.run(supervisor))
    try:
        yield Serving(supervisor, connector, journal, task)
    finally:
        connector.stop(0.5)
        await supervisor.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
        journal.close()
        groups.close()

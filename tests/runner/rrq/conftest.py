"""Our RRQ runner and a socket to it, on each of the two loops.

asyncio's own and uvloop have transports that differ a little.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.runner.recording import until
from tests.runner.rrq_jobs import Jobs
from tests.runner.rrq_peer import Peer, peer, runner

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.runner.rrq_peer import Runner


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    factories: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
        "asyncio": asyncio.new_event_loop
    }
    try:
        import uvloop
    except ImportError:  # there is none for every platform
        return factories
    return {**factories, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def jobs() -> AsyncIterator[Jobs]:
    made = Jobs()
    yield made
    made.go.set()


@pytest.fixture
async def ours(jobs: Jobs) -> AsyncIterator[Runner]:
    async with runner(jobs.registry) as made:
        yield made
        jobs.go.set()
        await until(lambda: made.connector.is_told and not made.supervisor.running)


@pytest.fixture
async def asks(ours: Runner) -> AsyncIterator[Peer]:
    """A connection to our runner."""
    async with peer(ours.port) as connected:
        yield connected

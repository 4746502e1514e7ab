"""huey on SQLite with ``fsync=True``: every job put in, and taken out, is a synced transaction.

Its clients are threads of one process, since it keeps one connection for all of them; its worker
is its own consumer with 8 threads. It takes jobs one by one only.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import Measured, Meter, drained, process

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
CLIENTS = 32
THREADS = 8
PAUSE_SECONDS = 0.01
WORKER = "import sys; from benchmarks.peer_huey import work; work(sys.argv[1])"


def noop() -> None:
    return None


def declared(file: str) -> tuple[Any, Any]:
    """The queue in a file, and its no-op job."""
    from huey import SqliteHuey

    queue = SqliteHuey(filename=file, fsync=True)
    return queue, queue.task()(noop)


def work(file: str) -> None:
    """The consumer's process, as ``huey_consumer`` makes it."""
    queue, _ = declared(file)
    queue.create_consumer(workers=THREADS, worker_type="thread", periodic=False).run()


class Huey:
    """A queue in a file of the folder."""

    def __init__(self, folder: Path) -> None:
        self.name = f"huey {version('huey')} on SQLite, fsync"
        self._folder = folder
        self._file = str(folder / "huey.db")
        self._queue, self._noop = declared(self._file)

    def submit_single(self, count: int) -> Measured:
        def submit(_: int) -> None:
            self._noop()

        with ThreadPoolExecutor(CLIENTS) as clients:
            meter = Meter()
            for _ in clients.map(submit, range(count)):
                pass
            return meter.stop(count)

    def submit_batches(self, count: int) -> Measured | None:
        return None

    def drain(self) -> Measured:
        command = [sys.executable, "-c", WORKER, self._file]
        env = {"PYTHONPATH": str(ROOT)}
        with process(command, self._folder / "huey.log", env) as worker:
            return drained(self._queue.pending_count, worker, pause_seconds=PAUSE_SECONDS)

    def close(self) -> None:
        self._queue.storage.close()


def missing() -> str | None:
    return None if find_spec("huey") else "huey is not installed"


@contextmanager
def started(folder: Path) -> Iterator[Huey]:
    peer = Huey(folder)
    try:
        yield peer
    finally:
        peer.close()

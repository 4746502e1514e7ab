"""Connections for reading, each used by one thread at a time, none by the loop's own.

One is opened at the start. Where no file can be opened later, as too many are, reads take turns
on those there are.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from server.errors import Busy
from server.store.filter_sql import install_functions
from server.store.group_commit import in_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

THREADS = 3
INTERRUPT_STEPS = 20_000
"""Steps of SQLite between two looks at whether the store is closing; under a millisecond."""


class ReadPool:
    """Runs reads in worker threads, each on one consistent state of the database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store-read")
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        self._open: list[sqlite3.Connection] = []
        self._is_closing = False
        self._idle.put(self._connect())

    async def run(self, read: Callable[[sqlite3.Connection], T]) -> T:
        if self._is_closing:
            raise Busy("The coordinator is shutting down.")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._work, read)
        except sqlite3.Error as error:
            if self._is_closing:
                raise Busy("The coordinator is shutting down.") from error
            raise in_words(error) from error

    def _work(self, read: Callable[[sqlite3.Connection], T]) -> T:
        db = self._take()
        try:
            db.execute("BEGIN")
            try:
                return read(db)
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")
        finally:
            self._idle.put(db)

    def _take(self) -> sqlite3.Connection:
        """A connection nobody uses: one of those there are, else one more, else the next."""
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            pass
        try:
            return self._connect()
        except sqlite3.Error:
            return self._idle.get()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=128,
            timeout=5.0,
        )
        db.execute("PRAGMA query_only = 1")
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("PRAGMA cache_size = -16384")
        install_functions(db)
        db.set_progress_handler(lambda: self._is_closing, INTERRUPT_STEPS)
        self._open.append(db)
        return db

    def close(self) -> None:
        """Interrupt what runs, end the threads, close the connections."""
        self._is_closing = True
        for db in list(self._open):
            db.interrupt()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for db in self._open:
            db.close()
        self._open.clear()

"""Watching the space that is left, and keeping some back for what must still be written.

Below ``storage.min_free`` new jobs are refused. When the disk is nearly full, a reserve file goes,
so that outcomes and stops of the work that runs can still be committed; console output may not use
that up, and waits at its runners.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING

from server.configuration.kinds import size_words
from server.folder import private_opener

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RESERVE_FILE = "reserve"
RESERVE_BYTES = 16 * 1024 * 1024
NEARLY_FULL_BYTES = 8 * 1024 * 1024
WRITTEN_TWICE = 2
"""What is stored goes to the database's log first, and then into the database."""
INTERVAL_SECONDS = 3.0

logger = logging.getLogger(__name__)


def free_bytes(folder: Path) -> int:
    """What this user may still write where ``folder`` lies."""
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


class DiskGuard:
    """Looks every few seconds and says whether new jobs can be taken.

    Args:
        folder: the data folder.
        min_free: bytes below which submits are refused.
        tell: gets the reason to refuse submits, or an empty text when there is none (any more).
        grant: gets how many bytes of output may be stored until it is called again.
        measure: the bytes that are free.
    """

    def __init__(
        self,
        folder: Path,
        min_free: int,
        tell: Callable[[str], None],
        *,
        grant: Callable[[int], None] = lambda _: None,
        measure: Callable[[Path], int] = free_bytes,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._folder = folder
        self._reserve = folder / RESERVE_FILE
        self.min_free = min_free
        self._tell = tell
        self._grant = grant
        self._measure = measure
        self._interval_seconds = interval_seconds
        self._problem = ""
        self._reserve_problem = ""
        self._measure_problem = ""
        self._takes_output = True
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look once, then go on looking."""
        self.look()
        self._task = asyncio.create_task(self._watch(), name="disk guard")

    async def stop(self) -> None:
        """Stop looking. The reserve stays: space is short when nothing runs, too."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def make_room(self) -> None:
        """Give the reserve up where there is little else: opening the store writes, too."""
        with contextlib.suppress(OSError):  # told at the first look
            self._spend_reserve(self._measure(self._folder))

    def look(self) -> None:
        """Measure once, and act on it."""
        try:
            free = self._measure(self._folder)
        except FileNotFoundError:
            self._say(
                f"the data folder {self._folder} is gone: what is stored now would be lost, so new "
                "jobs are refused until it is back"
            )
            return
        except OSError as error:
            self._say_unmeasured(error.strerror or str(error))
            return
        self._measure_problem = ""
        self._keep_reserve(free)
        self._leave_room(free)
        self._judge(free)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            self.look()

    def _judge(self, free: int) -> None:
        problem = ""
        if free < self.min_free:
            problem = (
                f"only {_rounded(free)} are free in {self._folder}, less than storage.min_free "
                f"({size_words(self.min_free)}): new jobs are refused until there is more space"
            )
        self._say(problem)

    def _say(self, problem: str) -> None:
        if bool(problem) != bool(self._problem):
            logger.warning(problem or f"jobs are taken again in {self._folder}")
        self._problem = problem
        self._tell(problem)

    def _say_unmeasured(self, problem: str) -> None:
        if problem != self._measure_problem:
            logger.error("the space left in %s cannot be told: %s", self._folder, problem)
        self._measure_problem = problem

    def _leave_room(self, free: int) -> None:
        room = max(0, free - NEARLY_FULL_BYTES) // WRITTEN_TWICE
        if bool(room) != self._takes_output:
            self._takes_output = bool(room)
            words = "taken in again" if room else "left with its runners: the disk is nearly full"
            logger.warning("console output is %s", words)
        self._grant(room)

    def _keep_reserve(self, free: int) -> None:
        """The reserve is worth having, and nothing that must be had: what hinders it is told."""
        problem = ""
        try:
            if self._reserve.exists():
                self._spend_reserve(free)
            elif free > max(self.min_free, NEARLY_FULL_BYTES) + 2 * RESERVE_BYTES:
                self._make_reserve()
        except OSError as error:
            problem = f"no reserve can be kept in {self._folder}: {error.strerror}"
        if problem and problem != self._reserve_problem:
            logger.warning("%s", problem)
        self._reserve_problem = problem

    def _spend_reserve(self, free: int) -> None:
        if free < NEARLY_FULL_BYTES and self._reserve.exists():
            self._reserve.unlink(missing_ok=True)
            logger.warning("the disk is nearly full: the reserve was given up for outcomes")

    def _make_reserve(self) -> None:
        try:
            with open(self._reserve, "wb", opener=private_opener) as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        except OSError:
            with contextlib.suppress(OSError):
                self._reserve.unlink()
            raise


def _rounded(size: int) -> str:
    """Bytes as people say them."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"

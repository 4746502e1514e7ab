"""What the launcher says while a program is started and when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

KILLED = -9
MAX_BYTES = 8_192


class LauncherNews:
    """The agent's end of the launcher's pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._told = b""
        self._on_end: Callable[[], None] | None = None
        os.set_blocking(fd, False)

    @property
    def problem(self) -> str | None:
        """Why the program was never started."""
        return next(iter(self._lines("failed ")), None)

    @property
    def exit_code(self) -> int | None:
        """Of the program itself; minus the number of a signal that killed it. None: not told."""
        return self._ended(0)

    @property
    def peak_kibibytes(self) -> int | None:
        """The most memory that the largest single process of the program had."""
        return self._ended(1)

    def watch(self, on_end: Callable[[], None]) -> None:
        """Call once the program has ended, or can no longer."""
        self._on_end = on_end
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def close(self) -> None:
        """Take in what there still is, and let go."""
        if self._fd >= 0:
            asyncio.get_running_loop().remove_reader(self._fd)
            while self._take():
                continue
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        if self._take() and b"ended " not in self._told:
            return
        asyncio.get_running_loop().remove_reader(self._fd)
        if self.exit_code is not None and self._on_end is not None:
            self._on_end()

    def _take(self) -> bool:
        """Whether something came, so that there may be more."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._fd, MAX_BYTES)
            self._told = (self._told + data)[:MAX_BYTES]
            return bool(data)
        return False

    def _lines(self, beginning: str) -> list[str]:
        lines = self._told.decode("utf-8", "replace").splitlines()
        return [line.removeprefix(beginning) for line in lines if line.startswith(beginning)]

    def _ended(self, place: int) -> int | None:
        for line in self._lines("ended "):
            return int(line.split()[place])
        return None

"""Our end of the pipe to a guard: a tiny process that acts when this end is gone.

However this process ends, ``kill -9`` included, the kernel closes its end, and the guard kills the
process groups it was told of. Standard library alone: coordinator and agent both have a guard.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class GuardPipe:
    """Starts the guard where it is needed, and tells it lines: ``+PGID`` to guard, ``-PGID`` to
    forget, and whatever else the script knows.

    Args:
        script: what the guard runs; it imports nothing of ours.
        arguments: what it is given.
        stop_seconds: how long it may take to end once this end was closed.
    """

    def __init__(self, script: Path, *arguments: str, stop_seconds: float) -> None:
        self._command = [sys.executable, "-I", "-S", str(script), *arguments]
        self._stop_seconds = stop_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._standing: dict[str, None] = {}
        """Lines that hold, in the order in which they came; a new guard is told them anew."""

    def ready(self) -> None:
        """Start the guard, or a new one where somebody killed it.

        Raises:
            OSError: it cannot be started.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self._let_go()
        self._process = subprocess.Popen(  # noqa: S603  (our own script, with our own interpreter)
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
            bufsize=0,
        )
        for line in self._standing:
            self._tell(line)

    def remember(self, group: int) -> None:
        """Kill that group, should we die."""
        self.keep_telling(f"+{group}")

    def forget(self, group: int) -> None:
        """That group is no more."""
        self._standing.pop(f"+{group}", None)
        self._tell(f"-{group}")

    def keep_telling(self, line: str) -> None:
        """Tell this guard, and every later one."""
        self._standing[line] = None
        self._tell(line)

    def close(self) -> None:
        """End the guard; it kills what is still remembered, of which there should be nothing."""
        self._let_go()

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):  # a dead guard is noticed, and replaced, by ready()
            os.write(self._process.stdin.fileno(), f"{line}\n".encode())

    def _let_go(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(self._stop_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

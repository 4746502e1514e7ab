"""Keeps runners from outliving a coordinator that was killed.

A tiny process reads a pipe that ends with us, and then kills the groups it was told of. A signal
at the parent's death would reach only the runner itself, none of its children. Should the guard be
killed as well, the next start ends what is left (:mod:`server.protocols.rrq.leftovers`).
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("guard_process.py")
STOP_SECONDS = 0.5


class Guard:
    """The coordinator's end of the pipe."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()

    def ready(self) -> None:
        """Start the guard, or a new one where somebody killed it.

        Raises:
            OSError: it cannot be started.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self._let_go()
        self._process = subprocess.Popen(  # noqa: S603  (our own script, with our own interpreter)
            [sys.executable, "-I", "-S", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
            bufsize=0,
        )
        for group in self._groups:
            self._tell(f"+{group}\n")

    def remember(self, group: int) -> None:
        """Kill that group, should we die."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """That group is no more."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """End the guard; it kills what is still remembered, of which there should be nothing."""
        self._let_go()

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            return
        with contextlib.suppress(OSError):  # a dead guard is noticed, and replaced, by ready()
            os.write(self._process.stdin.fileno(), line.encode())

    def _let_go(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

"""The guard: a tiny process that outlives a killed agent just long enough to kill its children.

PDEATHSIG would kill only the direct child, and when the spawning thread ends; this kills whole
groups, and on Linux everything that still carries the agent's mark in its environment.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "TRAFFIC_TUI_AGENT"
"""Environment variable by which the guard finds what escaped its group."""
SCRIPT = Path(__file__).with_name("guard_process.py")
STOP_SECONDS = 5.0


class Guard:
    """The agent's end of the pipe to its guard. The guard acts when this end is gone."""

    def __init__(self) -> None:
        self._mark = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: set[int] = set()
        self._control_groups: list[str] = []

    def ready(self) -> None:
        """Start the guard, or a new one where somebody killed it."""
        if self._process is not None and self._process.poll() is None:
            return
        self._let_go()
        self._process = subprocess.Popen(  # noqa: S603  (our own script, with our own interpreter)
            [sys.executable, "-I", "-S", str(SCRIPT), f"{MARK}={self._mark}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
            bufsize=0,
        )
        for path in self._control_groups:
            self._tell(f"={path}\n")
        for group in self._groups:
            self._tell(f"+{group}\n")

    def watch_control_groups(self, paths: list[str]) -> None:
        """End everything in these, should the agent die, and remove them."""
        for path in paths:
            self._control_groups.append(path)
            self._tell(f"={path}\n")
        if paths:
            self.ready()  # they are there from now on, so somebody has to be who removes them

    def marked(self, env: Mapping[str, str]) -> dict[str, str]:
        """The environment with the mark in it."""
        return {**env, MARK: self._mark}

    def remember(self, group: int) -> None:
        """Kill that group, should the agent die."""
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

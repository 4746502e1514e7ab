"""The guard: a tiny process that outlives a killed agent just long enough to kill its children.

PDEATHSIG would kill only the direct child, and when the spawning thread ends; this kills whole
groups, and on Linux everything that still carries the agent's mark in its environment.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from server.guard_pipe import GuardPipe

if TYPE_CHECKING:
    from collections.abc import Mapping

MARK = "TRAFFIC_TUI_AGENT"
"""Environment variable by which the guard finds what escaped its group."""
SCRIPT = Path(__file__).with_name("guard_process.py")
STOP_SECONDS = 5.0


class Guard(GuardPipe):
    """The agent's end of the pipe to its guard. The guard acts when this end is gone."""

    def __init__(self) -> None:
        self._mark = secrets.token_hex(16)
        super().__init__(SCRIPT, f"{MARK}={self._mark}", stop_seconds=STOP_SECONDS)

    def watch_control_groups(self, paths: list[str]) -> None:
        """End everything in these, should the agent die, and remove them."""
        for path in paths:
            self.keep_telling(f"={path}")
        if paths:
            self.ready()  # they are there from now on, so somebody has to be who removes them

    def marked(self, env: Mapping[str, str]) -> dict[str, str]:
        """The environment with the mark in it."""
        return {**env, MARK: self._mark}

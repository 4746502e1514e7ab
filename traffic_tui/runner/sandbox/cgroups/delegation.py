"""Version 2 lets a group limit groups below it only while no process is in itself.

So an agent that is alone in its group, as a service is, moves into a group below.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from traffic_tui.runner.sandbox.cgroups.hierarchies import USED

if TYPE_CHECKING:
    from traffic_tui.runner.sandbox.cgroups.hierarchies import Hierarchy

CONTROL = "cgroup.subtree_control"


class Delegation:
    """Controllers handed down from the agent's own group, as long as the agent lives."""

    def __init__(self, hierarchy: Hierarchy, name: str) -> None:
        self.problem = ""
        self._place = hierarchy.place
        self._wanted = sorted(hierarchy.controllers & set(USED))
        self._leaf = hierarchy.place / f"{name}-self"
        self._has_moved = False
        self._enabled: list[str] = []

    def open(self) -> frozenset[str]:
        """The controllers that groups below have now."""
        given = set(self._given())
        for name in self._wanted:
            if name not in given and self._enable(name):
                given.add(name)
                self._enabled.append(name)
        missing = [name for name in self._wanted if name not in given]
        if missing:
            self.problem = (
                f"{', '.join(missing)} by cgroup v2 at {self._place}: not handed down to us; run "
                "the agent as a service with Delegate=yes, alone in its group"
            )
        return frozenset(given & set(self._wanted))

    def close(self) -> None:
        """Take back what was changed."""
        for name in self._enabled:
            self._write(CONTROL, f"-{name}")
        if self._has_moved:
            _move(_members(self._leaf), self._place)
            with contextlib.suppress(OSError):
                self._leaf.rmdir()

    def _given(self) -> list[str]:
        try:
            return (self._place / CONTROL).read_text().split()
        except OSError:
            return []

    def _enable(self, name: str) -> bool:
        if self._write(CONTROL, f"+{name}"):
            return True
        if self._has_moved:
            return False
        return self._step_aside() and self._write(CONTROL, f"+{name}")

    def _step_aside(self) -> bool:
        """Move into a group below, if nobody but us and our children is in our own."""
        members = _members(self._place)
        if not all(pid == os.getpid() or _parent_of(pid) == os.getpid() for pid in members):
            return False
        try:
            self._leaf.mkdir()
        except OSError:
            return False
        self._has_moved = True
        return _move(members, self._leaf)

    def _write(self, name: str, text: str) -> bool:
        try:
            (self._place / name).write_text(text)
        except OSError:
            return False
        return True


def _members(group: Path) -> list[int]:
    try:
        return [int(word) for word in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _move(processes: list[int], group: Path) -> bool:
    try:
        for pid in processes:
            (group / "cgroup.procs").write_text(str(pid))
    except OSError:
        return False
    return True


def _parent_of(pid: int) -> int:
    """The number of a process's parent; 0: it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return 0

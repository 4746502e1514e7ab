"""The groups that one agent makes its jobs' groups in, and how they are found again if it dies."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from traffic_tui.runner.guard_process import end_group_tree, remove_tree
from traffic_tui.runner.sandbox.cgroups.delegation import Delegation
from traffic_tui.runner.sandbox.cgroups.hierarchies import USED, find_hierarchies
from traffic_tui.runner.sandbox.cgroups.job_group import Folder, JobGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from traffic_tui.runner.sandbox.cgroups.hierarchies import Hierarchy, Version

log = logging.getLogger(__name__)

PREFIX = "traffic-tui-"
"""What the names of our groups begin with."""


class AgentGroups:
    """One group in each hierarchy, with a name that no other agent has."""

    def __init__(self, hierarchies: Sequence[Hierarchy] | None = None) -> None:
        self.name = f"{PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
        self.problems: list[str] = []
        """Why something cannot be had, for people."""
        self._hierarchies = find_hierarchies() if hierarchies is None else list(hierarchies)
        self._delegations: list[Delegation] = []
        self._folders: list[Folder] = []

    @property
    def paths(self) -> list[str]:
        return [str(folder.path) for folder in self._folders]

    def version_of(self, controller: str) -> Version | None:
        """Of the groups by which something can be limited; None: it cannot."""
        for folder in self._folders:
            if controller in folder.controllers:
                return folder.version
        return None

    @property
    def is_open(self) -> bool:
        """There is at least one group by which jobs can be ended."""
        return bool(self._folders)

    def open(self) -> None:
        """Make them where that is permitted."""
        for hierarchy in self._hierarchies:
            try:
                self._open(hierarchy)
            except OSError as error:
                what = ", ".join(sorted(hierarchy.controllers)) or "groups"
                where = f"cgroup v{hierarchy.version} at {hierarchy.place}"
                self.problems.append(f"{what} by {where}: {error.strerror or error}")
        if not self._hierarchies:
            self.problems.append("this box has no control groups")

    def make(self, job: str) -> JobGroup:
        """The group of one job, in each hierarchy. Raises OSError where it cannot be made."""
        made: list[Folder] = []
        try:
            for folder in self._folders:
                path = folder.path / job
                path.mkdir()
                made.append(folder._replace(path=path))
        except OSError:
            for folder in made:
                with contextlib.suppress(OSError):
                    folder.path.rmdir()
            raise
        return JobGroup(made)

    def close(self) -> None:
        """End what is left in them, and remove them."""
        for path in self.paths:
            end_group_tree(path)
        for delegation in self._delegations:
            delegation.close()
        self._folders.clear()
        self._delegations.clear()

    def _open(self, hierarchy: Hierarchy) -> None:
        remove_empty(hierarchy.place)
        path: Path = hierarchy.place / self.name
        given = hierarchy.controllers
        if hierarchy.version == 2 and given:
            delegation = Delegation(hierarchy, self.name)
            given = delegation.open()
            self._delegations.append(delegation)
            if delegation.problem:
                self.problems.append(delegation.problem)
        path.mkdir()
        self._folders.append(Folder(hierarchy.version, given, path))
        if hierarchy.version == 2 and given:
            wanted = " ".join(f"+{name}" for name in sorted(given & set(USED)))
            (path / "cgroup.subtree_control").write_text(wanted)


def remove_empty(place: Path) -> None:
    """Remove groups of agents that are no more where nothing runs in them.

    An agent that was killed with its guard, and whose data folder is gone, leaves such ones.
    Nothing is ended here: a group with a process in it cannot be removed.
    """
    for group in place.glob(f"{PREFIX}[0-9]*-*"):
        process = group.name.removeprefix(PREFIX).split("-")[0]
        if process.isdigit() and not Path(f"/proc/{process}").exists():
            remove_tree(str(group))

"""Which hierarchies of control groups this box has, and where in them this process is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

Version: TypeAlias = Literal[1, 2]

USED = {
    "pids": "pids",
    "memory": "memory",
    "cpu": "cpu",
    "cpuacct": "cpuacct",
    "io": "io",
    "blkio": "io",
    "freezer": "freezer",
}
"""Controller as the kernel calls it -> as we do."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One tree of groups, and this process's place in it."""

    version: Version
    place: Path
    controllers: frozenset[str]
    """Those of ``USED`` that it can give to groups below, in our words."""


def find_hierarchies(
    mounts: Path = Path("/proc/self/mountinfo"), membership: Path = Path("/proc/self/cgroup")
) -> list[Hierarchy]:
    """All of use; empty where there are none."""
    try:
        groups = _memberships(membership.read_text())
        lines = mounts.read_text().splitlines()
    except OSError:
        return []
    found: dict[Path, Hierarchy] = {}
    for line in lines:
        hierarchy = _hierarchy(line, groups)
        if hierarchy is not None and hierarchy.place.is_dir():
            found[hierarchy.place] = hierarchy
    return list(found.values())


def _memberships(text: str) -> dict[str, str]:
    """Controller -> our group; that of version 2 has no name."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for name in controllers.split(","):
            groups[name] = path
    return groups


def _hierarchy(line: str, groups: dict[str, str]) -> Hierarchy | None:
    before, _, after = line.partition(" - ")
    words, kinds = before.split(), after.split()
    if len(words) < 5 or len(kinds) < 3:
        return None
    root, mount_point = words[3], Path(words[4])
    if kinds[0] == "cgroup2" and "" in groups:
        place = _place(mount_point, root, groups[""])
        return Hierarchy(2, place, _offered(place))
    if kinds[0] != "cgroup":
        return None
    mine = [name for name in kinds[2].split(",") if name in groups]
    used = frozenset(USED[name] for name in mine if name in USED)
    return Hierarchy(1, _place(mount_point, root, groups[mine[0]]), used) if used else None


def _place(mount_point: Path, root: str, group: str) -> Path:
    """Where a group is seen; a container sees only what is below its own root."""
    if root != "/" and (group == root or group.startswith(f"{root}/")):
        group = group.removeprefix(root)
    return mount_point / group.lstrip("/")


def _offered(place: Path) -> frozenset[str]:
    try:
        names = (place / "cgroup.controllers").read_text().split()
    except OSError:
        return frozenset()
    return frozenset(USED[name] for name in names if name in USED)

"""The groups of one job, one in each hierarchy: limits, what was used, and the end of it all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from server.model import Usage
from traffic_tui.runner.guard_process import end_group
from traffic_tui.runner.sandbox.cgroups.settings import settings_for, whole_disks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.settings import LimitSettings
    from traffic_tui.runner.sandbox.cgroups.hierarchies import Version

REMOVAL_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.001
MAX_PAUSE_SECONDS = 0.05


class Folder(NamedTuple):
    """A group as the file system shows it."""

    version: Version
    controllers: frozenset[str]
    path: Path


class JobGroup:
    """All processes of one job. Made before the first of them, removed after the last."""

    def __init__(self, folders: list[Folder]) -> None:
        self._folders = folders

    @property
    def doors(self) -> tuple[str, ...]:
        """The files that a process is written into to belong to it."""
        return tuple(str(folder.path / "cgroup.procs") for folder in self._folders)

    def limit(self, limits: LimitSettings) -> dict[str, str]:
        """Set what can be set; limit -> by what it is held, such as "cgroup v1"."""
        disks = whole_disks() if limits.io is not None else []
        held: dict[str, str] = {}
        for folder in self._folders:
            for controller in folder.controllers:
                settings = settings_for(controller, folder.version, limits, disks)
                if settings and all(
                    _write(folder.path / setting.file, setting.text) or not setting.is_needed
                    for setting in settings
                ):
                    held[controller] = f"cgroup v{folder.version}"
        return held

    def usage(self) -> Usage:
        """What its processes used until now, as far as the kernel counts it here."""
        return Usage(self._cpu_seconds(), self._peak_memory_bytes(), self._io_bytes())

    @property
    def memory_kills(self) -> int:
        """How many of its processes were killed for want of memory."""
        return _most(
            _entry(folder.path / name, "oom_kill")
            for folder in self._with("memory")
            for name in ("memory.events", "memory.oom_control")
        )

    @property
    def refused_processes(self) -> int:
        """How often it could not make another process."""
        return _most(_entry(folder.path / "pids.events", "max") for folder in self._with("pids"))

    def kill(self) -> None:
        """End every process in it, however well it hides."""
        for folder in self._folders:
            end_group(str(folder.path))

    def discard(self) -> None:
        """Take the groups away that nothing has been in."""
        for folder in self._folders:
            _remove(folder.path)

    async def remove(self) -> bool:
        """Kill what is left and take the groups away; False: the kernel did not let us."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + REMOVAL_SECONDS
        pause = FIRST_PAUSE_SECONDS
        left = [folder for folder in self._folders if not _remove(folder.path)]
        while left and loop.time() < ends_at:
            self.kill()
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
            left = [folder for folder in left if not _remove(folder.path)]
        return not left

    # inside ------------------------------------------------------------------------------------

    def _with(self, controller: str) -> Iterator[Folder]:
        return (folder for folder in self._folders if controller in folder.controllers)

    def _cpu_seconds(self) -> float | None:
        for folder in self._folders:
            if folder.version == 2:
                used = _entry(folder.path / "cpu.stat", "usage_usec")
                if used is not None:
                    return used / 1e6
        for folder in self._with("cpuacct"):
            used = _number(folder.path / "cpuacct.usage")
            if used is not None:
                return used / 1e9
        return None

    def _peak_memory_bytes(self) -> int | None:
        for folder in self._with("memory"):
            for name in ("memory.peak", "memory.max_usage_in_bytes"):
                peak = _number(folder.path / name)
                if peak is not None:
                    return peak
        return None

    def _io_bytes(self) -> int | None:
        for folder in self._with("io"):
            text = _read(folder.path / "io.stat")
            if text is not None:
                return sum(_stat_bytes(line) for line in text.splitlines())
            total = _entry(folder.path / "blkio.throttle.io_service_bytes_recursive", "Total")
            if total is not None:
                return total
        return None


def _stat_bytes(line: str) -> int:
    """Bytes read and written, of one disk's line in ``io.stat``."""
    pairs = dict(word.split("=", 1) for word in line.split()[1:] if "=" in word)
    return int(pairs.get("rbytes", 0)) + int(pairs.get("wbytes", 0))


def _most(counts: Iterator[int | None]) -> int:
    return max((count for count in counts if count is not None), default=0)


def _write(path: Path, text: str) -> bool:
    try:
        path.write_text(text)
    except OSError:
        return False
    return True


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _read(path)
    return int(text) if text is not None and text.strip().isdigit() else None


def _entry(path: Path, name: str) -> int | None:
    """The value beside a word, in a file of such lines."""
    for line in (_read(path) or "").splitlines():
        word, _, value = line.rpartition(" ")
        if word == name and value.isdigit():
            return int(value)
    return None


def _remove(path: Path) -> bool:
    """Whether the group is no more."""
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True

"""Limits as what is written into a group's files, for both versions. Pure, but for the disks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.settings import LimitSettings
    from traffic_tui.runner.sandbox.cgroups.hierarchies import Version

PERIOD_MICROSECONDS = 100_000
LEAST_QUOTA_MICROSECONDS = 1_000
"""The kernel takes no less."""


class Setting(NamedTuple):
    """One line for one file."""

    file: str
    text: str
    is_needed: bool = True
    """False: where the kernel does not have it, the limit holds without."""


def settings_for(
    controller: str, version: Version, limits: LimitSettings, disks: Sequence[str]
) -> list[Setting]:
    """What makes a controller hold its limit; empty: there is none to hold."""
    if controller == "pids" and limits.pids is not None:
        return [Setting("pids.max", str(limits.pids))]
    if controller == "memory" and limits.memory is not None:
        return _memory(version, limits.memory)
    if controller == "cpu" and limits.cpu is not None:
        return _cpu(version, limits.cpu)
    if controller == "io" and limits.io is not None:
        return _io(version, limits.io, disks)
    return []


def _memory(version: Version, most: int) -> list[Setting]:
    if version == 1:
        return [
            Setting("memory.limit_in_bytes", str(most)),
            Setting("memory.memsw.limit_in_bytes", str(most), is_needed=False),
        ]
    return [
        Setting("memory.max", str(most)),
        Setting("memory.swap.max", "0", is_needed=False),
        Setting("memory.oom.group", "1", is_needed=False),
    ]


def _cpu(version: Version, share: float) -> list[Setting]:
    quota = max(LEAST_QUOTA_MICROSECONDS, round(share * PERIOD_MICROSECONDS))
    if version == 1:
        return [
            Setting("cpu.cfs_period_us", str(PERIOD_MICROSECONDS)),
            Setting("cpu.cfs_quota_us", str(quota)),
        ]
    return [Setting("cpu.max", f"{quota} {PERIOD_MICROSECONDS}")]


def _io(version: Version, most: int, disks: Sequence[str]) -> list[Setting]:
    if version == 2:
        return [Setting("io.max", f"{disk} rbps={most} wbps={most}") for disk in disks]
    return [
        Setting(f"blkio.throttle.{way}_bps_device", f"{disk} {most}")
        for disk in disks
        for way in ("read", "write")
    ]


def whole_disks(folder: Path = Path("/sys/block")) -> list[str]:
    """Numbers of the disks that can be limited; parts of them, and what lies in memory, not."""
    try:
        names = sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []
    disks = (name for name in names if not name.startswith(("loop", "ram", "zram", "sr", "fd")))
    return [number for name in disks if (number := _number(folder / name))]


def _number(disk: Path) -> str:
    try:
        if int((disk / "size").read_text()) == 0:
            return ""
        return (disk / "dev").read_text().strip()
    except (OSError, ValueError):
        return ""

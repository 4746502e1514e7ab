"""Runners that a killed coordinator left behind: recorded while they run, ended at the next start.

A process is the one that was recorded when its number and the time it was started at are the same
(and the box was not started anew since). Names of programs say nothing and are not looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from server.folder import private_opener
from server.wire.unreadable import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "rrq-processes.json"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROC = Path("/proc")
GONE_SECONDS = 1.0
LOOK_SECONDS = 0.01
_GROUP_FIELD, _START_FIELD = 2, 19
"""Places in ``/proc/PID/stat`` after the name of the program."""

logger = logging.getLogger(__name__)


class Recorded(NamedTuple):
    """A process of ours, and the leader of its group."""

    pid: int
    started: int
    """In the kernel's ticks since the box was started."""
    runner: str


class _Record(msgspec.Struct):
    boot: str
    processes: list[Recorded]


class _Stat(NamedTuple):
    pid: int
    group: int
    started: int
    is_dead: bool


class Leftovers:
    """The record of processes in the data folder; without a folder there is none."""

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / FILE if folder is not None else None
        self._processes: dict[int, Recorded] = {}
        self._is_unwritten = False
        """Whether the last record could not be written, which was told."""

    def add(self, pid: int, runner: str) -> None:
        """A process of ours was started."""
        stat = _stat(pid)
        if stat is not None:
            self._processes[pid] = Recorded(pid, stat.started, runner)
            self._write()

    def remove(self, pid: int) -> None:
        """A process of ours has ended, and its group with it."""
        if self._processes.pop(pid, None) is not None:
            self._write()

    async def end_all(self) -> list[Recorded]:
        """Kill what an earlier coordinator left, and wait until it is gone; what it was."""
        found = [recorded for recorded in self._read() if _is_left(recorded)]
        for recorded in found:
            logger.warning(
                "%s (process %d) was left by a coordinator that was killed: ending it",
                recorded.runner,
                recorded.pid,
            )
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(recorded.pid, signal.SIGKILL)
        await _wait_until_gone(found)
        self._write()
        return found

    def _read(self) -> list[Recorded]:
        if self._file is None:
            return []
        try:
            record = msgspec.json.decode(self._file.read_bytes(), type=_Record)
        except FileNotFoundError:
            return []
        except (OSError, *UNREADABLE) as error:
            logger.warning("%s cannot be read, so no runner is looked for: %s", self._file, error)
            return []
        return record.processes if record.boot == _boot_id() else []

    def _write(self) -> None:
        if self._file is None:
            return
        record = _Record(_boot_id(), list(self._processes.values()))
        fresh = self._file.with_suffix(".new")
        try:
            with open(fresh, "wb", opener=private_opener) as file:
                file.write(msgspec.json.encode(record))
            fresh.replace(self._file)
        except OSError as error:
            if not self._is_unwritten:
                logger.warning("%s cannot be written: %s", self._file, error.strerror)
            self._is_unwritten = True
        else:
            self._is_unwritten = False


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def _stat(pid: int) -> _Stat | None:
    """What the kernel says of a process; None: there is none, or no such kernel."""
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    try:
        group, started = int(fields[_GROUP_FIELD]), int(fields[_START_FIELD])
    except (IndexError, ValueError):
        return None
    return _Stat(pid, group, started, fields[0] in ("Z", "X"))


def _is_left(recorded: Recorded) -> bool:
    """Whether the process, or without it some of its group, is still there.

    The kernel gives a number to no new process while a group bears it, so members of the group
    that are not older than its leader was are its own.
    """
    leader = _stat(recorded.pid)
    if leader is not None and leader.started != recorded.started:
        return False
    return any(True for _ in _members(recorded))


def _members(recorded: Recorded) -> Iterator[_Stat]:
    try:
        numbers = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return
    for number in numbers:
        stat = _stat(number)
        if (
            stat is not None
            and stat.group == recorded.pid
            and stat.started >= recorded.started
            and not stat.is_dead
        ):
            yield stat


async def _wait_until_gone(killed: list[Recorded]) -> None:
    """Until their ports are free again."""
    loop = asyncio.get_running_loop()
    until = loop.time() + GONE_SECONDS
    while any(_is_left(recorded) for recorded in killed):
        if loop.time() >= until:
            return
        await asyncio.sleep(LOOK_SECONDS)

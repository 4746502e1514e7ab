"""Console bytes on their way to the coordinator: in memory while few, on disk while it is away.

Nothing leaves here before the coordinator said that it has it, and no more is taken in than fits:
whoever produces output then waits, and so does the child process at the other end of the pipe.
The journal lives as long as its agent's boot; over a new boot the attempts are lost anyway.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import shutil
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from traffic_tui.runner.private import make_folder

if TYPE_CHECKING:
    from pathlib import Path

    from server.model import Stream

log = logging.getLogger(__name__)

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class JournalLimits:
    """How much the journal keeps, in bytes."""

    spill: int = 128 * KIB
    """Of one stream in memory; beyond it goes to disk."""
    attempt: int = 64 * MIB
    total: int = 256 * MIB


@dataclass(frozen=True, slots=True)
class _Segment:
    start: int
    end: int
    path: Path


class StreamJournal:
    """One stream of one attempt: everything from the first byte that is not acknowledged."""

    def __init__(self, prefix: Path, spill: int) -> None:
        self.start = 0
        """Offset of the first byte that is kept."""
        self._prefix = prefix
        self._spill = spill
        self._segments: deque[_Segment] = deque()
        self._tail = bytearray()
        self._tail_start = 0
        self._is_loss_told = False

    @property
    def end(self) -> int:
        """Offset after the last byte."""
        return self._tail_start + len(self._tail)

    @property
    def kept(self) -> int:
        return self.end - self.start

    def append(self, data: bytes) -> None:
        """Take bytes in. Raises OSError where the disk does not take them; then none was taken."""
        if self._tail and len(self._tail) + len(data) > self._spill:
            self._seal()
        self._tail += data

    def read(self, offset: int, limit: int) -> bytes:
        """At most ``limit`` bytes from ``offset`` on, not beyond one segment. What is gone from the
        disk is made up for, so that what came after it has its place."""
        for segment in self._segments:
            if segment.start <= offset < segment.end:
                begin, size = offset - segment.start, min(limit, segment.end - offset)
                return self._stored(segment, begin, size) or _lost(segment)[begin : begin + size]
        begin = offset - self._tail_start
        return bytes(self._tail[begin : begin + limit]) if begin >= 0 else b""

    def acknowledge(self, offset: int) -> int:
        """Forget everything before ``offset``; the answer is how many bytes that were."""
        if offset <= self.start:
            return 0
        offset = min(offset, self.end)
        freed = offset - self.start
        self.start = offset
        while self._segments and self._segments[0].end <= offset:
            self._segments.popleft().path.unlink(missing_ok=True)
        if offset > self._tail_start:
            del self._tail[: offset - self._tail_start]
            self._tail_start = offset
        return freed

    def discard(self) -> int:
        """Forget everything; the answer is how many bytes that were."""
        freed = self.kept
        for segment in self._segments:
            segment.path.unlink(missing_ok=True)
        self._segments.clear()
        self._tail_start = self.start = self.end
        self._tail.clear()
        return freed

    def _stored(self, segment: _Segment, begin: int, size: int) -> bytes:
        """What is on disk; nothing where it cannot be read any more."""
        try:
            with segment.path.open("rb") as file:
                file.seek(begin)
                return file.read(size)
        except OSError as error:
            if not self._is_loss_told:
                log.error("console output that waited here is lost: %s", error)
            self._is_loss_told = True
            return b""

    def _seal(self) -> None:
        path = self._prefix.with_name(f"{self._prefix.name}.{self._tail_start}")
        end = self.end
        try:
            make_folder(path.parent)  # somebody may have tidied it away
            path.write_bytes(bytes(self._tail))
        except OSError:
            path.unlink(missing_ok=True)
            raise
        self._segments.append(_Segment(self._tail_start, end, path))
        self._tail_start = end
        self._tail = bytearray()


def _lost(segment: _Segment) -> bytes:
    """Stands in for what is gone, as long as that was."""
    size = segment.end - segment.start
    words = f"\n[{size} bytes of output were lost on the runner's disk]\n"
    return words.encode().ljust(size, b".")[:size]


class Journal:
    """All streams of one agent's boot, in a folder of its own, within bounds."""

    def __init__(self, folder: Path, limits: JournalLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or JournalLimits()
        self._streams: dict[str, dict[Stream, StreamJournal]] = {}
        self._kept: dict[str, int] = {}
        self._total = 0
        self._is_refused = False
        """The disk did not take the last piece, which was told."""
        self._room = asyncio.Event()
        self._lock_fd = -1
        self._names = 0

    def open(self) -> None:
        """Make the folder and lock it; folders of agents that are no more are removed."""
        root = self._folder.parent
        make_folder(root)
        for left in root.iterdir():
            if left.is_dir() and left != self._folder:
                _remove_if_left(left)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._lock_fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Remove the folder and everything in it."""
        if self._lock_fd >= 0:
            shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock_fd)
            self._lock_fd = -1

    def append(self, attempt: str, stream: Stream, data: bytes) -> int:
        """Take in what there is room for; the answer is how many bytes that were."""
        room = self.room(attempt)
        piece = data if len(data) <= room else data[:room]
        if not piece:
            return 0
        try:
            self._stream(attempt, stream).append(piece)
        except OSError as error:
            if not self._is_refused:
                log.warning("console output waits, the disk does not take it: %s", error)
            self._is_refused = True
            return 0
        if self._is_refused:
            log.info("the disk takes console output again")
            self._is_refused = False
        self._kept[attempt] = self._kept.get(attempt, 0) + len(piece)
        self._total += len(piece)
        return len(piece)

    def room(self, attempt: str) -> int:
        """How many more bytes of that attempt are taken now."""
        of_attempt = self._limits.attempt - self._kept.get(attempt, 0)
        return max(0, min(of_attempt, self._limits.total - self._total))

    async def wait_for_room(self, attempt: str) -> None:
        """Return once something was acknowledged, or after a moment: a disk frees up silently."""
        self._room.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._room.wait()

    def streams(self, attempt: str) -> dict[Stream, StreamJournal]:
        return self._streams.get(attempt, {})

    def acknowledge(self, attempt: str, stream: Stream, offset: int) -> None:
        """The coordinator has everything before ``offset``."""
        journal = self._streams.get(attempt, {}).get(stream)
        if journal is not None:
            self._freed(attempt, journal.acknowledge(offset))

    def discard(self, attempt: str) -> None:
        """Nothing of this attempt is wanted any more."""
        for journal in self._streams.pop(attempt, {}).values():
            self._freed(attempt, journal.discard())
        self._kept.pop(attempt, None)

    def _freed(self, attempt: str, count: int) -> None:
        if count:
            self._kept[attempt] = self._kept.get(attempt, 0) - count
            self._total -= count
            self._room.set()

    def _stream(self, attempt: str, stream: Stream) -> StreamJournal:
        streams = self._streams.setdefault(attempt, {})
        if stream not in streams:
            # Attempt ids come from outside, so they are no file names.
            self._names += 1
            prefix = self._folder / f"{self._names}-{stream}"
            streams[stream] = StreamJournal(prefix, self._limits.spill)
        return streams[stream]


def _remove_if_left(folder: Path) -> None:
    """Remove a journal's folder unless its agent still holds the lock."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        log.debug("the journal %s belongs to a running agent", folder)
    finally:
        os.close(lock)

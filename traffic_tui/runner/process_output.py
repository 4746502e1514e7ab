"""What jobs print, printed by this process: the console of protocols that have none of their own.

A pipe whose reader is slow must not hold up the loop: one thread writes, from a bounded buffer.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.model import Stream

MAX_WAITING_BYTES = 1024 * 1024
STDOUT, STDERR = 1, 2
CLOSE_SECONDS = 1.0
"""At the end, how long a slow reader is waited for."""
LOOK_SECONDS = 0.05


class ProcessOutput:
    """Takes bytes without waiting; they come out of this process in the order they came in."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._waiting_bytes = 0
        self._lock = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closing = False

    def take(self, stream: Stream, data: bytes) -> int:
        """Keep what there is room for; the answer is how many bytes that were."""
        with self._lock:
            piece = data[: MAX_WAITING_BYTES - self._waiting_bytes]
            if piece and not self._is_closing:
                self._waiting.append((STDERR if stream == "stderr" else STDOUT, piece))
                self._waiting_bytes += len(piece)
                self._lock.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="job output", daemon=True)
            self._thread.start()
        return len(piece)

    async def wait_for_room(self) -> None:
        """Return once something could be taken."""
        while self._waiting_bytes >= MAX_WAITING_BYTES:  # noqa: ASYNC110  (a thread makes room)
            await asyncio.sleep(LOOK_SECONDS)

    def close(self) -> None:
        """Write what waits, in bounded time."""
        with self._lock:
            self._is_closing = True
            self._lock.notify_all()
        if self._thread is not None:
            self._thread.join(CLOSE_SECONDS)

    def _write(self) -> None:
        """The thread: until closed and empty."""
        while True:
            with self._lock:
                while not self._waiting and not self._is_closing:
                    self._lock.wait()
                if not self._waiting:
                    return
                descriptor, piece = self._waiting.popleft()
            _write_all(descriptor, piece)
            with self._lock:
                self._waiting_bytes -= len(piece)


def _write_all(descriptor: int, data: bytes) -> None:
    """Write all of it; where nobody reads it any more, it goes nowhere."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # whoever started us made the pipe so
            select.select([], [descriptor], [])
        except OSError:
            return

"""Taking console output in, as part of the call that brought it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server import output
from server.events import Notice
from server.store.base import Chunk, StreamState

if TYPE_CHECKING:
    from server.coordinator.memory import Memory
    from server.model import Attempt, Job, Stream
    from server.store.base import Tx


class OutputIntake:
    """Output of one call.

    Where there is no space for output, what will be sent again waits at its runner. What is sent
    once is taken: of a wire without offsets, and with the end of a job.
    """

    def __init__(self, tx: Tx, memory: Memory, now: int, *, is_first_word: bool = True) -> None:
        """``is_first_word``: nothing else in this call notes that the attempt was heard."""
        self._notes_heard = is_first_word
        self._tx = tx
        self._memory = memory
        self._now = now

    def append(self, job: Job, attempt: Attempt, stream: Stream, offset: int, data: bytes) -> int:
        """Take a piece in, unless there is no space for it: then its runner keeps it. The answer
        is the next offset wanted."""
        state = self._state(attempt.id, stream)
        if self._memory.output_room <= 0:
            return state.size
        return self._append(job, attempt, state, offset, data)

    def _append(
        self, job: Job, attempt: Attempt, state: StreamState, offset: int, data: bytes
    ) -> int:
        stream, cap = state.stream, self._cap(job, offset + len(data))
        taken = output.take(state, offset, data, cap=cap, now=self._now)
        if taken is None:
            return state.size
        chunk = Chunk(stream, state.generation, taken.offset, self._now, taken.data)
        self._tx.put_output(taken.state, [chunk], drop=taken.drop)
        if taken.is_first_gap:
            self._tell_gap(job, attempt, stream, cap)
        self._heard(job, attempt, len(taken.data))
        return taken.state.size

    def _cap(self, job: Job, size: int) -> int:
        """How much is kept. Who submitted the job is only asked once that can matter."""
        settings = self._memory.settings
        if size <= settings.storage.max_output:
            return settings.storage.max_output
        return settings.max_output_of(self._tx.details(job.id).origin)

    def extend(self, job: Job, attempt: Attempt, stream: Stream, data: bytes) -> int:
        """Take in what follows, from a wire that knows no offsets."""
        state = self._state(attempt.id, stream)
        return self._append(job, attempt, state, state.size, data)

    def replace(
        self, job: Job, attempt: Attempt, stream: Stream, text: bytes, *, is_last: bool
    ) -> None:
        """The runner sent the whole text again; what only goes on from the old one is appended.
        Unless it is the last time, all of it comes once more."""
        if not is_last and self._memory.output_room <= 0:
            return
        state = self._state(attempt.id, stream)
        added = self._added(state, text)
        if added is not None:
            if added:
                self._append(job, attempt, state, state.size, added)
            return
        fresh = StreamState(attempt.id, stream, state.generation + 1, len(text), 0, 0, self._now)
        self._tx.replace_output(fresh, text, at=self._now)
        self._heard(job, attempt, len(text))

    def _added(self, state: StreamState, text: bytes) -> bytes | None:
        """What a text adds to what is kept; None: it replaces it, as a shorter one must."""
        if len(text) < state.size:
            return None
        old = self._tx.output_text(state.attempt, state.stream) if state.size else b""
        return output.continuation(old, text)

    def _state(self, attempt_id: int, stream: Stream) -> StreamState:
        for state in self._tx.streams(attempt_id):
            if state.stream == stream:
                return state
        return StreamState(attempt_id, stream, 0, 0, 0, 0, self._now)

    def _heard(self, job: Job, attempt: Attempt, size: int) -> None:
        if self._notes_heard:
            self._tx.set_progress(attempt.id, None, at=self._now)
        memory = self._memory
        # Not after the commit: a tick may bring more than there is room for. Where it comes to
        # nothing, the next look at the disk says how much there is.
        memory.output_room -= size

        def committed() -> None:
            memory.output_bytes += size
            if memory.is_watched:
                memory.notify(Notice("output", job.id, attempt.id, attempt.runner))

        self._tx.after_commit(committed)

    def _tell_gap(self, job: Job, attempt: Attempt, stream: Stream, cap: int) -> None:
        self._tx.append(
            "output_truncated",
            at=self._now,
            job=job.id,
            attempt=attempt.id,
            runner=attempt.runner,
            reason=f"{stream} is over {cap} bytes: its head and tail are kept",
        )

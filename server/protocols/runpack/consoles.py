"""The console text of an attempt, as one text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.model import STREAMS

if TYPE_CHECKING:
    from server.model import Stream
    from server.settings import RunpackSettings
    from server.store.base import Chunk, Reads

BYTES_PER_UNIT = 3
"""Most UTF-8 bytes that one UTF-16 unit takes."""


async def console_text(reads: Reads, attempt_id: int, settings: RunpackSettings) -> str:
    """What the attempt printed, its tail where it is more than a runner here could send.

    Runners of other protocols have several streams; they are put together by time.
    """
    if not attempt_id:
        return ""
    limit = settings.max_console_bytes * BYTES_PER_UNIT
    chunks: list[Chunk] = []
    for stream in reversed(STREAMS):
        chunks += await _tail(reads, attempt_id, stream, limit)
        if chunks and stream == "console":
            break
    chunks.sort(key=lambda chunk: chunk.at)
    text = b"".join(chunk.data for chunk in chunks)
    return text[-limit:].decode("utf-8", "replace")


async def _tail(reads: Reads, attempt_id: int, stream: Stream, limit: int) -> list[Chunk]:
    found = await reads.output(attempt_id, stream, 0, limit)
    if found.state is not None and found.state.size > limit:
        found = await reads.output(attempt_id, stream, found.state.size - limit, limit)
    return found.chunks

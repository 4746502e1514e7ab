"""Server-sent events out of a byte stream, line by line."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_BUFFERED = 16 * 1024 * 1024
"""Bytes of one event; more than this is no event stream of ours."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


class ServerSentEvent(NamedTuple):
    """One dispatched event. ``is_comment`` marks what only keeps the connection alive."""

    event: str = ""
    data: bytes = b""
    id: str = ""
    is_comment: bool = False


class EventStreamError(Exception):
    """What came is no event stream."""


class EventStreamParser:
    """Takes bytes as they arrive and gives the events that became whole."""

    def __init__(self) -> None:
        self._buffer = b""
        self._event = ""
        self._id = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Events and comments that end in ``data``.

        Raises:
            EventStreamError: one event is larger than anything we would send.
        """
        self._buffer += data
        events: list[ServerSentEvent] = []
        start = 0
        for match in _LINE_END.finditer(self._buffer):
            if match[0] == b"\r" and match.end() == len(self._buffer):
                break  # its line feed may still come
            event = self._take_line(self._buffer[start : match.start()])
            if event is not None:
                events.append(event)
            start = match.end()
        self._buffer = self._buffer[start:]
        if len(self._buffer) + self._size > MAX_BUFFERED:
            raise EventStreamError("an event is too large")
        return events

    def _take_line(self, line: bytes) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            return ServerSentEvent(is_comment=True)
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
            self._size += len(line) + 1
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id":
            self._id = value.decode("utf-8", "replace")
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        """The end of an event; nothing where only blank lines or an id came."""
        event = ServerSentEvent(self._event, b"\n".join(self._data), self._id)
        has_content = bool(self._data) or bool(self._event)
        self._event, self._id, self._data, self._size = "", "", [], 0
        return event if has_content else None

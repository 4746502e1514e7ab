"""Whose answer it is, where an answer is too long or too broken to be read as a whole.

Only a ``request_id`` that stands directly in the payload counts: one inside of a result may be
anybody's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.wire.rrq_frames import KEPT_BYTES, Oversized

if TYPE_CHECKING:
    from server.wire.rrq_frames import Frame

_STRING = rb'"(?:[^"\\]|\\.)*"'
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
"""A string that does not end goes on to the end: looking for another one behind each of its quotes
would take a hostile frame of 64 KiB half a minute."""
_ID = re.compile(rb'\s*:\s*"([^"\\]{1,200})"')
_PLAIN = rb"(?:null|true|false|-?[0-9][0-9.eE+-]*|%s)" % _STRING
_LAST_ID = re.compile(
    rb'"request_id"\s*:\s*"([^"\\]{1,200})"\s*(?:,\s*%s\s*:\s*%s\s*)*\}\s*\}\s*\Z'
    % (_STRING, _PLAIN),
    re.DOTALL,
)
_LONGEST_END = 4_096
"""Bytes of the end that are searched, so that a hostile one cannot keep us busy."""


def request_id_in(frame: Frame) -> str:
    """The request that a frame answers; empty: it does not tell."""
    head, tail = _ends(frame)
    found = _first_id(head) or _last_id(tail)
    return found.decode("ascii", "replace")


def _ends(frame: Frame) -> tuple[bytes, bytes]:
    if isinstance(frame, Oversized):
        return frame.head, frame.tail
    return frame[:KEPT_BYTES], frame[KEPT_BYTES:][-KEPT_BYTES:]


def _first_id(head: bytes) -> bytes:
    """The id by reading from the front, as far as the front goes."""
    depth = 0
    for token in _TOKEN.finditer(head):
        text = token.group()
        if text in b"{[":
            depth += 1
        elif text in b"}]":
            depth -= 1
        elif depth == 2 and text == b'"request_id"':
            value = _ID.match(head, token.end())
            if value is not None:
                return value.group(1)
    return b""


def _last_id(tail: bytes) -> bytes:
    """The id where nothing but plain values stand between it and the end."""
    end = tail[-_LONGEST_END:]
    start = end.rfind(b'"request_id"')
    if start < 0:
        return b""
    value = _LAST_ID.match(end, start)
    return value.group(1) if value is not None else b""

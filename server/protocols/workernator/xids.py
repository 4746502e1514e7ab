"""Job ids in the form that Workernator's clients take: xids.

An xid is 12 bytes (4 of seconds, 3 of a machine, 2 of a process, 3 of a counter) in lower case
base32hex. The job's number stands in the last five and its second of birth in the first four, so
that an id needs no table, holds over restarts, and one of another coordinator fits no job here.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

LENGTH = 20
MACHINE = b"ttu"
MAX_NUMBER = 2**40 - 1
_PADDING = "===="


class XidParts(NamedTuple):
    """What an id says of its job."""

    created_at_s: int
    """Seconds since the epoch, modulo 2^32."""
    number: int


def xid_of(number: int, created_at_ms: int) -> str:
    """The id of a job.

    Raises:
        ValueError: the number does not fit into 40 bits.
    """
    if not 0 < number <= MAX_NUMBER:
        raise ValueError(f"job {number} has no xid: numbers up to {MAX_NUMBER} have one")
    seconds = (created_at_ms // 1000) & 0xFFFFFFFF
    raw = seconds.to_bytes(4, "big") + MACHINE + number.to_bytes(5, "big")
    return base64.b32hexencode(raw).decode("ascii").rstrip("=").lower()


def parts_of(xid: str) -> XidParts | None:
    """What a sound id says; None: another coordinator made it.

    Raises:
        ValueError: this is no xid.
    """
    raw = _decoded(xid)
    if raw[4:7] != MACHINE:
        return None
    return XidParts(int.from_bytes(raw[:4], "big"), int.from_bytes(raw[7:], "big"))


def _decoded(xid: str) -> bytes:
    if len(xid) != LENGTH or not xid.isascii() or xid != xid.lower():
        raise ValueError(f"an id has {LENGTH} characters of 0-9 and a-v")
    try:
        raw = base64.b32hexdecode(xid.upper() + _PADDING)
    except binascii.Error:
        raise ValueError(f"an id has {LENGTH} characters of 0-9 and a-v") from None
    if base64.b32hexencode(raw).decode("ascii")[:LENGTH].lower() != xid:
        raise ValueError("the last character of an id is 0 or g")
    return raw

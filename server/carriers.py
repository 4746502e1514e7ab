"""What travels with a job from whoever submitted it to its runner, and is not ours to change.

Checked once, when it comes in: a carrier that is not sound would be found out by the runner, far
from whoever made it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from server.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_TRACE_ENTRIES: Final = 32
MAX_TRACE_CHARACTERS: Final = 4_096
MAX_CORRELATION_ENTRIES: Final = 16
MAX_CORRELATION_KEY: Final = 64
MAX_CORRELATION_BYTES: Final = 256

TRACE_PARENT: Final = "traceparent"
TRACE_STATE: Final = "tracestate"

_TRACE_PARENT: Final = re.compile(
    r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.+)?"
)
_FIRST_VERSION: Final = "00"
_FORBIDDEN_VERSION: Final = "ff"
_SHAPE: Final = "00-<32 hex digits>-<16 hex digits>-<2 hex digits>, in lower case, ids not all 0"


class TraceParent(NamedTuple):
    """The ids in a W3C ``traceparent``, and whether that trace is recorded."""

    trace_id: int
    span_id: int
    flags: int

    @property
    def is_sampled(self) -> bool:
        return bool(self.flags & 1)


def trace_parent(text: str) -> TraceParent | None:
    """Read a ``traceparent``; None: it is none. Later versions may say more at the end."""
    found = _TRACE_PARENT.fullmatch(text)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == _FORBIDDEN_VERSION or (version == _FIRST_VERSION and more):
        return None
    parent = TraceParent(int(trace_id, 16), int(span_id, 16), int(flags, 16))
    return parent if parent.trace_id and parent.span_id else None


def check_trace_context(carrier: Mapping[str, str], where: str) -> None:
    """Refuse a carrier that no tracing library could read.

    Raises:
        InvalidInput: it is too large, its text cannot travel, or its ``traceparent`` is none.
    """
    if len(carrier) > MAX_TRACE_ENTRIES:
        raise InvalidInput(f"{where} has more than {MAX_TRACE_ENTRIES} entries")
    if sum(len(key) + len(value) for key, value in carrier.items()) > MAX_TRACE_CHARACTERS:
        raise InvalidInput(f"{where} is longer than {MAX_TRACE_CHARACTERS} characters")
    for key, value in carrier.items():
        if not _can_travel(key) or not _can_travel(value):
            raise InvalidInput(f"{where}: names and values are printable ASCII")
    parent = carrier.get(TRACE_PARENT)
    if parent is not None and trace_parent(parent) is None:
        raise InvalidInput(f"{where}: {TRACE_PARENT} has the form {_SHAPE}")
    if parent is None and TRACE_STATE in carrier:
        raise InvalidInput(f"{where}: {TRACE_STATE} means nothing without {TRACE_PARENT}")


def check_correlation(correlation: Mapping[str, str], where: str) -> None:
    """Refuse what is too large to go with every attempt of a job."""
    if len(correlation) > MAX_CORRELATION_ENTRIES:
        raise InvalidInput(f"{where} has more than {MAX_CORRELATION_ENTRIES} entries")
    for key, value in correlation.items():
        if not 1 <= len(key) <= MAX_CORRELATION_KEY:
            raise InvalidInput(f"{where}: names have 1 to {MAX_CORRELATION_KEY} characters")
        if len(value.encode()) > MAX_CORRELATION_BYTES:
            raise InvalidInput(
                f"{where}: the value of {key!r} has more than {MAX_CORRELATION_BYTES} bytes"
            )


def _can_travel(text: str) -> bool:
    return text.isascii() and text.isprintable()

"""What was around an attempt's process, and what it used, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from traffic_tui.state.clean_text import clean
from traffic_tui.state.formats import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import AttemptView, UsageView
    from traffic_tui.state.glyphs import Role

OPEN = "not isolated"
"""How a runner's words begin where a process was not kept apart."""


class Around(NamedTuple):
    """What was around a process, for people."""

    words: str
    role: Role


def around(attempts: Sequence[AttemptView]) -> Around | None:
    """Of the newest attempt; None: it was no process, or its runner does not say."""
    newest = attempts[0] if attempts else None
    if newest is None or not newest.isolation:
        return None
    role: Role = "warn" if newest.isolation.startswith(OPEN) else "plain"
    return Around(clean(newest.isolation), role)


def used(attempts: Sequence[AttemptView]) -> str:
    """What the newest attempt used; empty: it is not known."""
    newest = attempts[0] if attempts else None
    return "" if newest is None or newest.usage is None else usage_words(newest.usage)


def usage_words(usage: UsageView) -> str:
    """For example ``processor 1.2 s, memory 56.0 MB at most, disk 3.1 MB``."""
    parts = [
        "" if usage.cpu_seconds is None else f"processor {seconds_words(usage.cpu_seconds)}",
        ""
        if usage.peak_memory_bytes is None
        else f"memory {size(usage.peak_memory_bytes)} at most",
        "" if usage.io_bytes is None else f"disk {size(usage.io_bytes)}",
    ]
    return ", ".join(part for part in parts if part)


def seconds_words(seconds: float) -> str:
    """Time of a processor, fine where it is short: ``0.02 s``, ``3.4 s``, ``812 s``."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:,.0f} s"

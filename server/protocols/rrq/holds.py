"""Why a runner is given nothing new though it has slots free: people would wonder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.protocols.rrq.in_flight import InFlightTable

_SUSPECT = "a job that was there when its runner went down"


def why_held(table: InFlightTable, *, has_put_off: bool) -> str:
    """In words; empty: it is not held back."""
    if has_put_off:
        return f"{_SUSPECT} waits until fewer are in flight, and comes first"
    if table.is_kept_small:
        return f"{_SUSPECT} runs in less company, until it is known whether it was that one"
    if table.is_clogged:
        return "half of its slots are held by jobs that were given up, until it is heard of them"
    return ""

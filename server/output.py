"""Console output: what is taken in, what is left out, and what comes next. Pure.

Offsets count the bytes of a stream as its runner wrote them, so they stay true when the middle
of a long output is left out: the head and the tail are kept, the gap is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from server.store.base import StreamState


class Taken(NamedTuple):
    """A piece that fits: what to store of it, and the stream's state after it."""

    state: StreamState
    offset: int
    data: bytes
    drop: tuple[int, int] | None
    """Chunks wholly inside [from, to) are not kept any longer."""
    is_first_gap: bool


def take(state: StreamState, offset: int, data: bytes, *, cap: int, now: int) -> Taken | None:
    """Take a piece in. None: nothing to store; the offset wanted is ``state.size``.

    A piece that was taken in before is harmless, one that overlaps is cut, one that leaves a
    hole is not taken.
    """
    known = state.size - offset
    if known < 0 or known >= len(data):
        return None
    fresh = data[known:] if known else data
    size = state.size + len(fresh)
    grown = state._replace(size=size, updated_at=now)
    if size <= cap:
        return Taken(grown, state.size, fresh, None, False)
    head = cap // 2
    gap_to = size - (cap - head)
    capped = grown._replace(gap_from=head, gap_to=gap_to)
    return Taken(capped, state.size, fresh, (head, gap_to), state.gap_to == 0)


def continuation(old: bytes, new: bytes) -> bytes | None:
    """What ``new`` adds when it goes on from ``old``; None when it replaces it."""
    return new[len(old) :] if new.startswith(old) else None

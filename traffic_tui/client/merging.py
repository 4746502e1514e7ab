"""Parts of several streams in the order in which they came in, so that they read as written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from traffic_tui.client.base import OutputPart


class StreamPart(NamedTuple):
    """A piece of one stream."""

    stream: str
    part: OutputPart


def in_time_order(parts: Iterable[StreamPart]) -> list[StreamPart]:
    """All pieces by the time they came in; what came together stays in the order given.

    The pieces of one stream never change places, even where its times are coarser than another's.
    """
    return sorted(
        (piece for one in parts for piece in _pieces(one)), key=lambda piece: piece.part.at
    )


def tellable(parts: Iterable[StreamPart]) -> list[StreamPart]:
    """What can be told of the next parts of several streams without another part coming between.

    Each stream may go on after its part, with pieces as old as the last of them: pieces that are
    younger than the oldest of these ends have to wait. At least one part is told whole.
    """
    pieces = in_time_order(parts)
    ends = {piece.stream: piece.part.at for piece in pieces}
    horizon = min(ends.values(), default=0)
    return [piece for piece in pieces if piece.part.at <= horizon]


def _pieces(one: StreamPart) -> Iterator[StreamPart]:
    """A part cut where later bytes of it came in."""
    part = one.part
    end = part.offset + len(part.data)
    cuts = [(part.offset, part.at)]
    cuts += [(at, when) for at, when in part.times if part.offset < at < end]
    latest = 0
    for (begin, when), (following, _) in zip(cuts, [*cuts[1:], (end, 0)], strict=True):
        latest = max(latest, when)
        data = part.data[begin - part.offset : following - part.offset]
        yield one._replace(part=part._replace(offset=begin, data=data, at=latest, times=()))

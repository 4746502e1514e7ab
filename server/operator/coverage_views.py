"""How far jobs over a cursor range are, as the operator API shows it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.model import ACTIVE_STATES
from server.ranges import Range, coarsened, overlap, piece_count, segments, subtract, totals
from server.wire.operator import CoverageView, SegmentView

if TYPE_CHECKING:
    from server.store.base import JobDetail, RangeDetail

MAX_SEGMENTS: Final = 500


def range_ends(detail: JobDetail) -> tuple[int, int] | None:
    """The ends of a job's range, or of its part of one."""
    found = detail.range.kept.range if detail.range else detail.piece
    return None if found is None else (found.low, found.high)


def coverage_view(detail: JobDetail, width: int) -> CoverageView | None:
    """How far a job's range is; None: it is not done in pieces.

    Args:
        width: units of a piece as they are cut now.
    """
    if detail.range is None:
        return None
    return _coverage(detail.range, is_going_on=detail.row.job.wanted == "run", width=width)


def _coverage(found: RangeDetail, *, is_going_on: bool, width: int) -> CoverageView:
    kept = found.kept
    running = [one for one, state in found.pieces if state in ACTIVE_STATES]
    waiting = [one for one, state in found.pieces if state not in ACTIVE_STATES]
    all_of_it = segments(
        kept.range,
        found.spans,
        running,
        waiting,
        is_going_on=kept.is_open and is_going_on,
        cut=kept.cut,
    )
    shown = coarsened(kept.range, all_of_it, MAX_SEGMENTS)
    units = totals(all_of_it)
    return CoverageView(
        total=kept.range.units - kept.left_out,
        covered=units["covered"],
        running=units["running"],
        waiting=units["waiting"],
        missing=units["missing"],
        elsewhere=units["elsewhere"],
        too_old=units["too_old"],
        running_pieces=len(running),
        waiting_pieces=len(waiting),
        pieces_to_cut=_to_cut(found, width) if kept.is_open and is_going_on else 0,
        spent_pieces=kept.spent,
        segments=[
            SegmentView(from_=one.range.low, to=one.range.high, state=one.state) for one in shown
        ],
        is_coarse=len(shown) < len(all_of_it),
    )


def _to_cut(found: RangeDetail, width: int) -> int:
    kept = found.kept
    if kept.cut >= kept.range.high:
        return 0
    ahead = Range(kept.cut + 1, kept.range.high)
    taken = [both for span in found.spans if (both := overlap(span.range, ahead))]
    return piece_count(subtract(ahead, taken), width)

"""Jobs over a cursor range: their pieces are made, watched, and put together.

A job with a range is done by jobs made for it, the pieces. It is in progress until the last of
them has ended, is held by no runner and has no attempts. Pieces are made a bounded number ahead,
so that fifty years are no more rows than an afternoon; everything here is part of the operation
that ended a piece, so that a range and its pieces never disagree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from server import transitions
from server.coordinator.memory import announce_pending, save
from server.coordinator.range_texts import piece_params, plan_of
from server.events import Notice
from server.ids import new_uuid
from server.model import FINAL_STATES, NOBODY, Job
from server.ranges import Range, Span, cut_front, in_words, subtract
from server.secret_parameters import hide
from server.store.base import Change, NewJob, Piece

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.coordinator.memory import Memory
    from server.model import Actor
    from server.settings import Settings
    from server.store.base import KeptRange, Tx

PIECES_AHEAD: Final = 2_048
"""Open pieces of all ranges together, shared out evenly: more than runners have slots."""
LEAST_AHEAD: Final = 16
"""Open pieces that each range may have, however many ranges there are."""
MAX_SPENT: Final = 100
"""So many pieces may end without covering their part; then the rest is not even begun."""
MAX_WHY: Final = 200
"""Characters of a piece's error that are told of its range."""
UNITS_PER_MS: Final = 1_000
"""The cursor counts microseconds."""


class Begun(NamedTuple):
    """A range job as it stands once its first pieces are made."""

    job: Job
    note: str
    """What of the range is left out, in words; empty: nothing is."""


def is_parent(tx: Tx, job: Job) -> bool:
    """Whether a job is done in pieces."""
    return tx.job_class(job.cls).pin == NOBODY


def begin(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    job: Job,
    kept: KeptRange,
    known: Sequence[Span],
    others: Sequence[int],
    now: int,
) -> Begun:
    """Keep the range of a job that was just inserted, and make its first pieces.

    Args:
        known: what needs no piece, because it was done before or another job sees to it.
        others: the other jobs that see to it.
    """
    tx.put_range(kept)
    for span in (*known, *_too_old(memory, kept.range, known, now)):
        kept = tx.add_spans(kept, [span.range], span.kind)
    spans = tx.spans(job.id, after=kept.range.low - 1)
    plan = plan_of(kept.range, spans, units_of_a_piece(memory.settings), others)
    note = plan.words(memory.settings.protocols.native_v1.max_backfill_ms)
    tx.append("range_planned", at=now, job=job.id, actor=actor.name, reason=note, data=plan.data())
    return Begun(advance(tx, memory, job.id, now) or job, note)


def _too_old(memory: Memory, whole: Range, known: Sequence[Span], now: int) -> list[Span]:
    floor = floor_of(memory, now)
    if floor is None or floor <= whole.low:
        return []
    old = Range(whole.low, min(whole.high, floor - 1))
    return [Span(gap, "too_old") for gap in subtract(old, [span.range for span in known])]


def settle(tx: Tx, memory: Memory, ended: Iterable[Job], now: int, *, why: str = "") -> None:
    """Jobs have ended, perhaps pieces among them: count them in, make more, end what is done."""
    if not tx.open_ranges():
        return
    closed: dict[int, list[tuple[Piece, Job]]] = {}
    for job in ended:
        piece = tx.open_piece(job.id)
        if piece is not None and job.state in FINAL_STATES:
            closed.setdefault(piece.parent, []).append((piece, job))
    for parent, pieces in closed.items():
        tx.close_pieces([piece for piece, _ in pieces])
        _count_in(tx, parent, pieces, now, why)
        advance(tx, memory, parent, now)


def count_deleted(tx: Tx, memory: Memory, deleted: Sequence[Piece], now: int) -> None:
    """Pieces were deleted before they ended; what they were to do stays undone."""
    for parent in {piece.parent for piece in deleted}:
        kept = tx.open_ranges().get(parent)
        if kept is None:
            continue  # deleted with them
        gone = [piece for piece in deleted if piece.parent == parent]
        tx.put_range(kept._replace(spent=kept.spent + len(gone)))
        for piece in gone:
            _tell_spent(tx, piece, "deleted", now)
        advance(tx, memory, parent, now)


def _count_in(tx: Tx, parent: int, pieces: Sequence[tuple[Piece, Job]], now: int, why: str) -> None:
    kept, job = tx.open_ranges().get(parent), tx.job(parent)
    if kept is None or job is None:
        return
    done = [piece.range for piece, one in pieces if one.state == "completed"]
    if done:
        kept = tx.add_spans(kept, done, "covered")
    spent = [(piece, one) for piece, one in pieces if one.state != "completed"]
    if spent and job.wanted == "run":  # when it is being stopped, that is what was wanted
        tx.put_range(kept._replace(spent=kept.spent + len(spent)))
        for piece, one in spent:
            _tell_spent(tx, piece, why or _why_spent(tx, one), now)


def _why_spent(tx: Tx, job: Job) -> str:
    outcome = tx.outcome(job.attempt) if job.attempt else None
    message = outcome.message[:MAX_WHY] if outcome is not None else ""
    return f"{job.state}: {message}" if message else job.state


def _tell_spent(tx: Tx, piece: Piece, why: str, now: int) -> None:
    """A piece ended and its part of the range is not done."""
    low, high = piece.range
    tx.append(
        "piece_spent",
        at=now,
        job=piece.parent,
        reason=f"piece {piece.job} of {low} to {high}: {why}",
        data=msgspec.json.encode({"piece": piece.job, "from": low, "to": high, "why": why}),
    )


def advance(tx: Tx, memory: Memory, parent: int, now: int) -> Job | None:
    """Make pieces where there is room for them, or end the job where nothing is left to do."""
    kept, job = tx.open_ranges().get(parent), tx.job(parent)
    if kept is None or job is None:
        return None
    if is_going_on(job, kept):
        kept = fill(tx, memory, job, kept, now)
    elif job.wanted == "run":
        _end_waiting(tx, memory, parent, now)
    is_cut = kept.cut >= kept.range.high or not is_going_on(job, kept)
    if is_cut and not tx.open_pieces(parent):
        return _conclude(tx, memory, job, kept, now)
    notice = Notice("progress", job=parent)
    tx.after_commit(lambda: memory.notify(notice))
    return job


def is_going_on(job: Job, kept: KeptRange) -> bool:
    """Whether more pieces are to be made."""
    return job.wanted == "run" and kept.spent < MAX_SPENT


def fill(tx: Tx, memory: Memory, job: Job, kept: KeptRange, now: int) -> KeptRange:
    """Make pieces up to what may be open at once, when a quarter of that is missing."""
    ahead = max(LEAST_AHEAD, PIECES_AHEAD // max(1, len(tx.open_ranges())))
    is_open = len(tx.open_pieces(job.id))
    if kept.cut >= kept.range.high or is_open > ahead - ahead // 4:
        return kept
    cut = cut_front(
        Range(kept.cut + 1, kept.range.high),
        [span.range for span in tx.spans(job.id, after=kept.cut)],
        width=units_of_a_piece(memory.settings),
        room=ahead - is_open,
        floor=floor_of(memory, now),
    )
    if cut.too_old:
        kept = tx.add_spans(kept, cut.too_old, "too_old")
    kept = kept._replace(cut=cut.cut)
    tx.put_range(kept)
    make_pieces(tx, memory, job, cut.pieces, now)
    return kept


def make_pieces(
    tx: Tx,
    memory: Memory,
    job: Job,
    ranges: Sequence[Range],
    now: int,
    *,
    resubmit_of: int = 0,
    params: bytes | None = None,
) -> list[Job]:
    """Insert a job for each of these parts of a job's range; ``params`` None: with the job's."""
    if not ranges:
        return []
    parent_class = tx.job_class(job.cls)
    cls = tx.intern_class(parent_class.queue, parent_class.type, parent_class.requires, 0).id
    details = tx.details(job.id)
    inherited = details._replace(cache_key=None, parent=job.id, resubmit_of=resubmit_of)
    if params is not None:
        shown, extra = hide(params, details.extra)
        inherited = inherited._replace(params=shown, extra=extra)
    fresh = [
        NewJob(_piece_job(job, cls, now), inherited._replace(params=with_ends), may_exist=False)
        for with_ends in piece_params(inherited.params, ranges)
    ]
    made = tx.insert_jobs(fresh)
    tx.add_pieces(
        [Piece(one.id, job.id, its_range) for one, its_range in zip(made, ranges, strict=True)]
    )
    members = [(one.id, 0) for one in made]
    tx.append("submitted", at=now, members=members, reason=f"pieces of job {job.id}")
    announce_pending(tx, memory, [one.cls for one in made if one.state == "pending"])
    return made


def _piece_job(parent: Job, cls: int, now: int) -> Job:
    is_later = parent.run_at > now
    return Job(
        id=0,
        uuid=new_uuid(),
        cls=cls,
        state="scheduled" if is_later else "pending",
        rank=parent.rank,
        since=now,
        created_at=now,
        run_at=parent.run_at if is_later else 0,
        attempt=0,
        attempts=0,
        tries=0,
        max_attempts=parent.max_attempts,
        losses=0,
        wanted="run",
        deadline=parent.deadline,
        target=0,
    )


def gaps_of(tx: Tx, kept: KeptRange) -> list[Range]:
    """What of a range neither is done nor needs to be, and is in no piece now."""
    taken = [span.range for span in tx.spans(kept.job, after=kept.range.low - 1)]
    taken += [piece.range for piece in tx.open_pieces(kept.job)]
    return subtract(kept.range, taken)


def _end_waiting(tx: Tx, memory: Memory, parent: int, now: int) -> None:
    """Too many pieces were spent: what has not begun is not begun."""
    pieces = {piece.job: piece for piece in tx.open_pieces(parent)}
    waiting = [job for job in tx.jobs(pieces).values() if job.state in ("scheduled", "pending")]
    stop_waiting(tx, memory, waiting, now, reason=f"{MAX_SPENT} pieces of job {parent} were spent")
    tx.close_pieces([pieces[job.id] for job in waiting])


def stop_waiting(
    tx: Tx, memory: Memory, waiting: Sequence[Job], now: int, *, reason: str, actor: str = ""
) -> None:
    """Stop jobs that nobody has begun, as one fact."""
    if not waiting:
        return
    steps = [
        transitions.stop(job, None, grace_ms=0, kill=False, is_timeout=False, now=now)
        for job in waiting
    ]
    save(tx, memory, [Change(job, step.job) for job, step in zip(waiting, steps, strict=True)])
    tx.append(
        "stopped",
        at=now,
        members=[(job.id, 0) for job in waiting],
        actor=actor or "coordinator",
        reason=reason,
    )


def _conclude(tx: Tx, memory: Memory, job: Job, kept: KeptRange, now: int) -> Job:
    gaps = gaps_of(tx, kept)
    problem = f"not covered: {in_words(gaps)}" if gaps else ""
    if kept.spent >= MAX_SPENT:
        problem = f"given up after {kept.spent} pieces were spent; {problem}"
    step = transitions.conclude(job, is_covered=not gaps, now=now)
    tx.put_range(kept._replace(is_open=False, problem=problem))
    save(tx, memory, [Change(job, step.job)])
    tx.append(
        step.kind,
        at=now,
        job=job.id,
        reason=problem,
        data=msgspec.json.encode(
            {"covered": kept.covered, "total": kept.range.units - kept.left_out}
        ),
    )
    return step.job


def units_of_a_piece(settings: Settings) -> int:
    """How many units a piece has at most."""
    return max(1, settings.protocols.native_v1.max_assignable_cursor_ms * UNITS_PER_MS)


def floor_of(memory: Memory, now: int) -> int | None:
    """Where what is too old ends; None: nothing is too old."""
    backfill_ms = memory.settings.protocols.native_v1.max_backfill_ms
    return (now - backfill_ms) * UNITS_PER_MS if backfill_ms else None

"""What operators do to jobs over a cursor range: it reaches their pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server import transitions
from server.coordinator.memory import announce_pending, save
from server.coordinator.range_submit import fresh_range, taken_by_others
from server.coordinator.range_texts import alike_key, check_range_params
from server.coordinator.ranges import (
    advance,
    begin,
    gaps_of,
    is_going_on,
    make_pieces,
    stop_waiting,
)
from server.coordinator.results import Acted
from server.coordinator.submit import insert
from server.coordinator.successors import fresh_job
from server.errors import Refused
from server.model import NOBODY, WAITING_STATES, Job
from server.ranges import Range, Span, subtract
from server.secret_parameters import hide
from server.store.base import Change, NewJob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.coordinator.memory import Memory
    from server.model import Actor
    from server.store.base import KeptRange, Piece, Tx


def stop(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    job: Job,
    *,
    stop_piece: Callable[[int], Acted],
    reason: str,
    now: int,
) -> Acted:
    """Stop a range: its waiting pieces at once, the running ones as ``stop_piece`` does."""
    step = transitions.stop_pieces(job, now=now)
    save(tx, memory, [Change(job, step.job)])
    tx.append(step.kind, at=now, job=job.id, actor=actor.name, reason=reason)
    pieces = {piece.job: piece for piece in tx.open_pieces(job.id)}
    jobs = tx.jobs(pieces)
    waiting = [one for one in jobs.values() if one.state in WAITING_STATES]
    stop_waiting(tx, memory, waiting, now, reason=f"job {job.id} is stopped", actor=actor.name)
    tx.close_pieces([pieces[one.id] for one in waiting])
    warnings = [
        stop_piece(number).warning
        for number, one in jobs.items()
        if one.state not in WAITING_STATES
    ]
    after = advance(tx, memory, job.id, now) or tx.job(job.id) or step.job
    return Acted(after, next(filter(None, warnings), ""))


def set_rank(tx: Tx, memory: Memory, job: Job, rank: int) -> None:
    """Let the pieces of a range go earlier or later, as the range itself."""
    pieces = tx.jobs([piece.job for piece in tx.open_pieces(job.id)]).values()
    save(tx, memory, [Change(piece, piece._replace(rank=rank)) for piece in pieces])


def move_to_queue(tx: Tx, memory: Memory, job: Job, queue: str) -> Job:
    """Bring a range, and what waits of its pieces, to another queue; the answer is the range."""
    job_class = tx.job_class(job.cls)
    target = tx.intern_class(queue, job_class.type, job_class.requires, 0).id
    own = tx.intern_class(queue, job_class.type, job_class.requires, NOBODY).id
    waiting = [
        piece
        for piece in tx.jobs([piece.job for piece in tx.open_pieces(job.id)]).values()
        if piece.state in WAITING_STATES
    ]
    moved = job._replace(cls=own)
    changes = [Change(piece, piece._replace(cls=target)) for piece in waiting]
    save(tx, memory, [Change(job, moved), *changes])
    announce_pending(tx, memory, [target for piece in waiting if piece.state == "pending"])
    return moved


def with_open_pieces(tx: Tx, job_ids: Sequence[int]) -> list[int]:
    """The same jobs, and after each range its pieces that have not ended."""
    listed: dict[int, None] = {}
    for number in job_ids:
        listed[number] = None
        listed.update((piece.job, None) for piece in tx.open_pieces(number))
    return list(listed)


def resubmit(
    tx: Tx, memory: Memory, actor: Actor, old: Job, params: bytes | None, reason: str, now: int
) -> Acted:
    """A new job over the range of one that has ended: what it did not cover, if the work is the
    same, else all of it."""
    kept = tx.range_of(old.id)
    assert kept is not None
    details = tx.details(old.id)
    if params is not None:
        check_range_params(params)
    job_class = tx.job_class(old.cls)
    job = fresh_job(old, cls=job_class.id, now=now)._replace(state="in_progress")
    inherited = details._replace(resubmit_of=old.id)
    if params is not None:
        shown, extra = hide(params, details.extra)
        inherited = inherited._replace(params=shown, extra=extra, cache_key=None)
    made = insert(tx, memory, actor, [NewJob(job, inherited)], now, reason=reason)[0]
    alike = alike_key(job_class.type, details.namespace, inherited.params)
    is_same_work = alike == kept.alike
    known: list[Span] = []
    others: list[int] = []
    if is_same_work and old.state != "completed":
        known, others = _done_before(tx, kept, job_class.queue)
    fresh = fresh_range(made.id, kept.range, alike)
    begun = begin(tx, memory, actor, made, fresh, known, others, now)
    _tell_resubmitted(tx, actor, old, made, reason, is_same_work, now)
    return Acted(begun.job, begun.note)


def _done_before(tx: Tx, kept: KeptRange, queue: str) -> tuple[list[Span], list[int]]:
    """What a range covered; and what it left to others, as far as they see to it today."""
    spans = tx.spans(kept.job, after=kept.range.low - 1)
    covered = [span for span in spans if span.kind == "covered"]
    if not any(span.kind == "elsewhere" for span in spans):
        return covered, []
    taken = taken_by_others(tx, kept.alike, queue, kept.range)
    done = [span.range for span in covered]
    elsewhere = [rest for one in taken.ranges for rest in subtract(one, done)]
    others = [number for number in taken.others if number != kept.job]
    return [*covered, *(Span(one, "elsewhere") for one in elsewhere)], others


def resubmit_piece(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    old: Job,
    piece: Piece,
    params: bytes | None,
    reason: str,
    now: int,
) -> Acted:
    """A piece that was spent is tried once more, as long as its range goes on."""
    parent, kept = tx.job(piece.parent), tx.open_ranges().get(piece.parent)
    if parent is None or kept is None or not is_going_on(parent, kept):
        raise Refused(
            f"job {old.id} is a piece of job {piece.parent}, which has ended or is ending:"
            f" resubmit job {piece.parent}, which does what is missing",
            code="piece",
        )
    if not _is_inside(piece.range, gaps_of(tx, kept)):
        raise Refused(
            f"job {old.id} is a piece of job {piece.parent}: its part is covered, or in another"
            " piece by now",
            code="piece",
        )
    made = make_pieces(tx, memory, parent, [piece.range], now, resubmit_of=old.id, params=params)[0]
    _tell_resubmitted(tx, actor, old, made, reason, params is None, now)
    return Acted(made)


def _is_inside(one: Range, gaps: list[Range]) -> bool:
    return any(gap.low <= one.low and one.high <= gap.high for gap in gaps)


def _tell_resubmitted(
    tx: Tx, actor: Actor, old: Job, made: Job, reason: str, is_same_work: bool, now: int
) -> None:
    tx.append(
        "resubmitted",
        at=now,
        job=old.id,
        actor=actor.name,
        reason=reason,
        data=msgspec.json.encode({"as": made.id, "params_changed": not is_same_work}),
    )

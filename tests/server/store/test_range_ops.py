"""Ranges, their pieces and spans, in every store."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.filters import parse_filter
from server.model import NOBODY
from server.ranges import MAX_CURSOR, Range, Span
from server.store.base import Change, JobQuery, KeptRange, Piece
from tests.server.store.world import details, insert

if TYPE_CHECKING:
    from server.model import Job
    from server.store.base import Tx
    from tests.server.store.world import World


def a_range(job: Job, low: int = 0, high: int = 99, **facts: object) -> KeptRange:
    kept = KeptRange(job.id, Range(low, high), low - 1, 0, 0, 0, "same", True, "")
    return kept._replace(**facts)  # type: ignore[arg-type]


async def a_parent(world: World, **facts: object) -> KeptRange:
    (job,) = await world.submit(1, state="in_progress", pin=NOBODY, queue="posts")
    kept = a_range(job, **facts)  # type: ignore[arg-type]
    await world.run(lambda tx: tx.put_range(kept))
    return kept


async def test_a_range_is_known_while_open_and_after(world: World) -> None:
    kept = await a_parent(world)
    assert await world.run(lambda tx: dict(tx.open_ranges())) == {kept.job: kept}
    ended = kept._replace(is_open=False, problem="not covered: 1 to 2", spent=1, cut=99)
    await world.run(lambda tx: tx.put_range(ended))
    assert await world.run(lambda tx: dict(tx.open_ranges())) == {}
    assert await world.run(lambda tx: tx.range_of(kept.job)) == ended
    assert await world.run(lambda tx: tx.range_of(kept.job + 1)) is None


async def test_pieces_are_open_until_they_are_closed(world: World) -> None:
    kept = await a_parent(world)
    jobs = await world.submit(3)
    pieces = [Piece(job.id, kept.job, Range(place, place)) for place, job in enumerate(jobs)]
    await world.run(lambda tx: tx.add_pieces(pieces))
    assert await world.run(lambda tx: list(tx.open_pieces(kept.job))) == pieces
    await world.run(lambda tx: tx.close_pieces(pieces[:2]))
    assert await world.run(lambda tx: list(tx.open_pieces(kept.job))) == pieces[2:]
    assert await world.run(lambda tx: tx.open_piece(jobs[0].id)) is None
    assert await world.run(lambda tx: tx.piece(jobs[0].id)) == pieces[0]
    assert await world.run(lambda tx: tx.open_piece(jobs[2].id)) == pieces[2]


async def test_what_a_failed_operation_noted_is_forgotten(world: World) -> None:
    kept = await a_parent(world)
    (job,) = await world.submit(1)

    def fail(tx: Tx) -> None:
        tx.add_pieces([Piece(job.id, kept.job, Range(0, 9))])
        tx.add_spans(kept, [Range(10, 19)], "covered")
        tx.put_range(kept._replace(is_open=False))
        raise ValueError

    with pytest.raises(ValueError):
        await world.run(fail)
    assert await world.run(lambda tx: list(tx.open_pieces(kept.job))) == []
    assert await world.run(lambda tx: dict(tx.open_ranges())) == {kept.job: kept}
    assert await world.run(lambda tx: tx.spans(kept.job, after=-1)) == []


async def test_spans_that_adjoin_become_one(world: World) -> None:
    kept = await a_parent(world)

    def add(tx: Tx) -> KeptRange:
        mine = kept
        for low, high in ((10, 19), (30, 39), (20, 29), (0, 4)):
            mine = tx.add_spans(mine, [Range(low, high)], "covered")
        return tx.add_spans(mine, [Range(5, 9)], "elsewhere")

    kept = await world.run(add)
    assert await world.run(lambda tx: tx.spans(kept.job, after=-1)) == [
        Span(Range(0, 4), "covered"),
        Span(Range(5, 9), "elsewhere"),
        Span(Range(10, 39), "covered"),
    ]
    assert (kept.covered, kept.left_out) == (35, 5)
    assert await world.run(lambda tx: tx.spans(kept.job, after=9)) == [
        Span(Range(10, 39), "covered")
    ]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(8)), kinds=st.lists(st.booleans(), min_size=8, max_size=8))
async def test_in_whatever_order_spans_come_they_are_kept_as_few(
    world: World, order: list[int], kinds: list[bool]
) -> None:
    kept = await a_parent(world)

    def add(tx: Tx) -> list[Span]:
        mine = kept
        for place in order:
            kind = "covered" if kinds[place] else "too_old"
            mine = tx.add_spans(mine, [Range(place * 10, place * 10 + 9)], kind)  # type: ignore[arg-type]
        assert mine.covered == 10 * sum(kinds)
        assert mine.left_out == 80 - mine.covered
        return tx.spans(mine.job, after=-1)

    found = await world.run(add)
    assert found[0].range.low == 0
    assert found[-1].range.high == 79
    for one, other in itertools.pairwise(found):
        assert one.range.high + 1 == other.range.low
        assert one.kind != other.kind
    for place in range(8):
        (span,) = [span for span in found if span.range.low <= place * 10 <= span.range.high]
        assert (span.kind == "covered") is kinds[place]


async def test_the_widest_range_is_kept_exactly(world: World) -> None:
    kept = await a_parent(world, low=1, high=MAX_CURSOR)
    kept = await world.run(lambda tx: tx.add_spans(kept, [kept.range], "covered"))
    assert kept.covered == MAX_CURSOR
    assert await world.run(lambda tx: tx.range_of(kept.job)) == kept
    assert await world.run(lambda tx: tx.spans(kept.job, after=0)) == [Span(kept.range, "covered")]
    page = await world.store.reads.job_page(JobQuery(ids=(kept.job,)))
    assert page.rows[0].progress is not None
    assert page.rows[0].progress.current == page.rows[0].progress.total == MAX_CURSOR


async def test_ranges_alike_are_those_that_overlap_in_the_same_queue(world: World) -> None:
    first = await a_parent(world, low=0, high=9)
    second = await a_parent(world, low=10, high=19)
    await a_parent(world, low=10, high=19, alike="other")

    async def found(low: int, high: int, queue: str = "posts", limit: int = 9) -> list[int]:
        wanted = Range(low, high)
        kept = await world.run(lambda tx: tx.ranges_alike("same", queue, wanted, limit))
        return [one.job for one in kept]

    assert await found(9, 10) == [first.job, second.job]
    assert await found(9, 10, limit=1) == [first.job]
    assert await found(19, 30) == [second.job]
    assert await found(20, 30) == []
    assert await found(0, 30, queue="default") == []


async def test_a_range_in_progress_takes_no_place_in_its_queue(world: World) -> None:
    kept = await a_parent(world)
    assert await world.run(lambda tx: tx.active_in_queue("posts")) == 0
    work = await world.store.reads.queue_work(world.now)
    assert work["posts"].counts == {}
    counts = await world.store.reads.state_counts()
    assert counts["in_progress"] == 1
    page = await world.store.reads.job_page(JobQuery(parse_filter("state:running")))
    assert [row.job.id for row in page.rows] == [kept.job]


async def test_lists_show_how_far_a_range_is_and_why_it_failed(world: World) -> None:
    kept = await a_parent(world)
    kept = await world.run(lambda tx: tx.add_spans(kept, [Range(0, 49)], "covered"))
    kept = await world.run(lambda tx: tx.add_spans(kept, [Range(90, 99)], "elsewhere"))
    (row,) = (await world.store.reads.job_page(JobQuery(parse_filter("progress>55")))).rows
    assert row.progress is not None
    assert (row.progress.current, row.progress.total) == (50, 90)
    assert row.outcome is None

    def fail(tx: Tx) -> None:
        job = tx.job(kept.job)
        assert job is not None
        tx.put_range(kept._replace(is_open=False, problem="not covered: 50 to 89"))
        tx.save([Change(job, job._replace(state="failed", since=world.now))])

    await world.run(fail)
    (row,) = (await world.store.reads.job_page(JobQuery(ids=(kept.job,)))).rows
    assert row.outcome is not None
    assert row.outcome.message == "not covered: 50 to 89"
    assert row.ended_at == world.now


async def test_the_detail_of_a_job_has_its_range_or_its_part_of_one(world: World) -> None:
    kept = await a_parent(world)
    whole = await world.run(lambda tx: tx.job(kept.job))
    assert whole is not None
    jobs = await world.run(lambda tx: insert(tx, world.now, 2, detail=details(parent=kept.job)))
    pieces = [Piece(jobs[0].id, kept.job, Range(0, 9)), Piece(jobs[1].id, kept.job, Range(10, 19))]
    await world.run(lambda tx: tx.add_pieces(pieces))
    await world.run(lambda tx: tx.close_pieces(pieces[:1]))
    kept = await world.run(lambda tx: tx.add_spans(kept, [Range(0, 9)], "covered"))
    detail = await world.store.reads.job_detail(kept.job)
    assert detail is not None
    assert detail.range == (kept, [Span(Range(0, 9), "covered")], [(Range(10, 19), "pending")])
    assert (detail.parent, detail.piece) == (None, None)
    detail = await world.store.reads.job_detail(jobs[0].id)
    assert detail is not None
    assert detail.parent == (kept.job, whole.uuid)
    assert detail.piece == Range(0, 9)
    assert detail.range is None
    found = await world.store.reads.job_page(JobQuery(parse_filter(f"parent:{kept.job}")))
    assert [row.job.id for row in found.rows] == [jobs[1].id, jobs[0].id]


async def test_deleting_a_range_leaves_nothing_of_it(world: World) -> None:
    kept = await a_parent(world)
    jobs = await world.submit(2)
    pieces = [Piece(job.id, kept.job, Range(job.id, job.id)) for job in jobs]
    await world.run(lambda tx: tx.add_pieces(pieces))
    await world.run(lambda tx: tx.delete_jobs([jobs[0].id], at=world.now, by="sam"))
    assert await world.run(lambda tx: list(tx.open_pieces(kept.job))) == pieces[1:]
    await world.run(lambda tx: tx.add_spans(kept, [Range(0, 9)], "covered"))
    numbers = [kept.job, jobs[1].id]
    await world.run(lambda tx: tx.delete_jobs(numbers, at=world.now, by="sam"))
    assert await world.run(lambda tx: dict(tx.open_ranges())) == {}
    assert await world.run(lambda tx: tx.open_piece(jobs[1].id)) is None
    assert await world.run(lambda tx: tx.range_of(kept.job)) is None
    assert await world.run(lambda tx: tx.spans(kept.job, after=-1)) == []

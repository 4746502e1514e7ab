"""The facts of a job over a cursor range: its coverage as a bar, and in figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.state.coverage import coverage_bar, ends_words, legend
from traffic_tui.state.glyphs import Span
from traffic_tui.widgets.facts import Fact

if TYPE_CHECKING:
    from server.wire.operator import JobFullView
    from traffic_tui.screens.base import TrafficScreen
    from traffic_tui.state.row_context import RowContext


def range_facts(job: JobFullView, context: RowContext, width: int) -> list[Fact]:
    """A job that is done in pieces: its range, a bar of ``width`` cells, a legend with figures."""
    if job.coverage is None:
        return []
    ends = ends_words(job.range, context.zone) if job.range else ""
    return [
        Fact("range", (Span(ends),)),
        Fact("done", tuple(coverage_bar(job.coverage, width, context.glyphs))),
        *(Fact("", tuple(line)) for line in legend(job.coverage, width, context.glyphs)),
    ]


def show_pieces(screen: TrafficScreen, job: JobFullView) -> None:
    """From a range to its pieces, from a piece to its range."""
    if job.parent is not None:
        screen.desk.navigator.show_job(job.parent.number)
    elif job.coverage is not None:
        screen.desk.navigator.show_jobs(f"parent:{job.number}")
    else:
        screen.say("this job is not done in pieces")


def piece_facts(job: JobFullView, context: RowContext) -> list[Fact]:
    """A piece of a range: its part of it, and whose it is."""
    if job.parent is None or job.range is None:
        return []
    words = f"of job {job.parent.number} (p)  {ends_words(job.range, context.zone)}"
    return [Fact("piece", (Span(words),))]

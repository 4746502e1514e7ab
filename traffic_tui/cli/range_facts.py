"""A job's range, and how far it is, as lines of its sheet. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.cli.tables import Fact, Look, span
from traffic_tui.state.coverage import ends_words, figures, length

if TYPE_CHECKING:
    from server.wire.operator import CoverageView, JobFullView

MAX_GAPS = 5
"""Stretches that are missing and are named; the JSON form has them all."""


def range_facts(job: JobFullView, look: Look) -> list[Fact]:
    """Its range, whose piece it is, and what of the range is done; none without a range."""
    facts: list[Fact] = []
    if job.range is not None:
        facts.append(Fact("range", span(ends_words(job.range, "local"))))
    if job.parent is not None:
        facts.append(Fact("piece of", span(job.parent.number)))
    if job.coverage is not None:
        words = ", ".join(figure.words for figure in figures(job.coverage))
        facts.append(Fact("done", span(words)))
        facts += [Fact("missing", span(gap, "bad")) for gap in _missing(job.coverage)]
        facts.append(Fact("pieces", span(f"traffic-tui jobs list parent:{job.number}", "muted")))
    return facts


def _missing(coverage: CoverageView) -> list[str]:
    gaps = [one for one in coverage.segments if one.state == "missing"]
    about = "in " if coverage.is_coarse else ""
    words = [
        f"{about}{gap.from_} to {gap.to} ({length(gap.to - gap.from_ + 1)})"
        for gap in gaps[:MAX_GAPS]
    ]
    if len(gaps) > MAX_GAPS:
        words.append(f"and {len(gaps) - MAX_GAPS} more; --json lists all")
    return words

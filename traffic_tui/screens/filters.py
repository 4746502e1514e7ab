"""Filters as the lists use them: what is wrong with one, and the ones behind single keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traffic_tui.widgets.filter_bar import FilterProblem

JOB_PROBLEMS = "state:failed,expired"
"""Jobs that need somebody."""
COUNT_FILTERS = {
    1: "",
    2: "state:scheduled,pending",
    3: "state:claimed,running,stopping",
    4: "state:failed,expired",
    5: JOB_PROBLEMS,
}
"""The counts in the header, as filters."""


def job_filter_problem(text: str) -> FilterProblem | None:
    """Why a filter on jobs makes no sense, or None."""
    return None

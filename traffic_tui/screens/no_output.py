"""What stands where a job's output would be: an empty pane explains nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.model import ACTIVE_STATES, FINAL_STATES
from traffic_tui.screens.wording import is_range
from traffic_tui.state.clean_text import clean
from traffic_tui.state.formats import day_and_time, duration

if TYPE_CHECKING:
    from server.wire.operator import AttemptView, JobView
    from traffic_tui.state.row_context import RowContext


def no_output_words(
    job: JobView, attempt: AttemptView | None, can: str | None, context: RowContext, why: str = ""
) -> str:
    """Why nothing is to be read of a job.

    ``can`` is what its runner is able to do, where that is known, ``why`` what it waits for.
    """
    if attempt is not None:
        return _of_attempt(attempt, can)
    if is_range(job) or job.state in ACTIVE_STATES:
        return "No output of its own: it is done in pieces."
    if job.state in FINAL_STATES:
        return "No output: it ended without having started."
    if job.state == "scheduled":
        due = day_and_time(job.times.due, context.zone, now=context.now)
        return f"No output yet: due at {due}, in {duration(job.times.due - context.now)}."
    return f"No output yet, it waits: {clean(why, 400)}." if why else "No output yet: it waits."


def _of_attempt(attempt: AttemptView, can: str | None) -> str:
    if attempt.state == "ended":
        return f"No output: nothing came of try {attempt.number}."
    if can is not None and "o" not in can:
        return "No output while it runs: this kind of runner sends none."
    return "No output yet."

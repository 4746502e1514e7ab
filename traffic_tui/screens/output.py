"""The Output screen: nothing but what one attempt says."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from traffic_tui.screens.job_facts import job_state_span
from traffic_tui.screens.tail_screen import TailScreen
from traffic_tui.state.clean_text import clean
from traffic_tui.widgets.crumb import CrumbState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.widget import Widget

    from traffic_tui.actions import Scope
    from traffic_tui.screens.desk import Desk


class OutputScreen(TailScreen):
    """See the module's words."""

    scope: ClassVar[Scope] = "output"

    def __init__(self, desk: Desk, number: int, attempt: int) -> None:
        super().__init__(desk, number, attempt=attempt, about=f"{number}/{attempt}")

    def body(self) -> Iterable[Widget]:
        yield self.view

    def crumb(self) -> CrumbState:
        if self.detail is None:
            return CrumbState(path=("Jobs", str(self.number), "output"))
        job = self.detail.job
        return CrumbState(
            path=("Jobs", f"{job.number} {clean(job.type)}", "output"),
            state=job_state_span(job, self.desk.context),
        )

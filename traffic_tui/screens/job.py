"""The Job screen: what one job is, its tries, and what it says, as it says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from server.model import ACTIVE_STATES
from traffic_tui.screens.job_facts import job_lines, job_state_span
from traffic_tui.screens.range_facts import show_pieces
from traffic_tui.screens.tail_screen import TailScreen
from traffic_tui.state.clean_text import clean
from traffic_tui.widgets.crumb import CrumbState
from traffic_tui.widgets.facts import FactsBlock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events
    from textual.widget import Widget

    from traffic_tui.actions import Scope
    from traffic_tui.screens.desk import Desk

WIDE_FROM = 120
PIECES_SECONDS = 2.0
"""How often the pieces of a range are looked at while it goes on."""
LEASE_SECONDS = 10.0
"""How often the lease of a job is looked at while it goes on."""


class JobScreen(TailScreen):
    """See the module's words."""

    scope: ClassVar[Scope] = "job"

    def __init__(self, desk: Desk, number: int) -> None:
        super().__init__(desk, number, about=str(number))
        self._facts = FactsBlock(id="facts")
        self._facts.glyphs = desk.context.glyphs
        self._look_due = 0.0

    def body(self) -> Iterable[Widget]:
        yield self._facts
        yield self.view

    def crumb(self) -> CrumbState:
        if self.detail is None:
            return CrumbState(path=("Jobs", str(self.number)))
        job = self.detail.job
        return CrumbState(
            path=("Jobs", f"{job.number} {clean(job.type)}"),
            aside=job.id if self.size.width >= WIDE_FROM else "",
            state=job_state_span(job, self.desk.context),
        )

    def detail_loaded(self) -> None:
        is_range = self.detail is not None and self.detail.job.coverage is not None
        pause = PIECES_SECONDS if is_range else LEASE_SECONDS
        self._look_due = self.desk.clock.monotonic() + pause
        self._show_facts()

    def tick(self) -> None:
        self._look_when_due()
        self._show_facts()
        super().tick()

    def on_resize(self, event: events.Resize) -> None:
        self._show_facts()

    def _look_when_due(self) -> None:
        """That a piece was taken by a runner is told of the piece alone, and that a lease was
        renewed, or was not, is not told at all: they are asked for."""
        if self.detail is None or not self.is_current:
            return
        if self.detail.job.state in ACTIVE_STATES and self.desk.clock.monotonic() >= self._look_due:
            self.look_again()

    def _show_facts(self) -> None:
        if self.detail is None or not self.is_mounted:
            return
        lines = job_lines(
            self.detail, self.desk.context, self.desk.run_times, self.size.width, self.size.height
        )
        self._facts.show(lines)

    def way_to_output(self) -> str:
        is_in_pieces = self.detail is not None and self.detail.job.coverage is not None
        return " p lists them." if is_in_pieces else ""

    def do_pieces(self) -> None:
        if self.detail is not None:
            show_pieces(self, self.detail.job)

    def do_compare(self) -> None:
        if self.detail is not None and len(self.detail.attempts) > 1:
            self.desk.navigator.show_tries(self.number)
        else:
            self.say("a second try is needed to compare with; none was made")

    def do_output(self) -> None:
        shown = self.attempt()
        if shown is not None:
            self.desk.navigator.show_output(self.number, self._wanted_attempt)
        else:
            self.say("no try was made yet")

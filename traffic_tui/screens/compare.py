"""The tries of a job side by side, and where their outputs begin to differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from server.wire.operator import NoticeView
from traffic_tui.screens.catch_up import CatchUp
from traffic_tui.screens.comparing import Compared, streams_to_compare
from traffic_tui.screens.job_facts import job_state_span
from traffic_tui.screens.table_screen import TableScreen
from traffic_tui.screens.try_facts import tries_shown, try_lines
from traffic_tui.state.clean_text import cells, clean, crop
from traffic_tui.state.compare_columns import ComparedRows, shown_lines
from traffic_tui.state.glyphs import Span
from traffic_tui.widgets.crumb import CrumbState
from traffic_tui.widgets.facts import FactsBlock
from traffic_tui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events
    from textual.widget import Widget

    from server.wire.operator import AttemptView, JobDetailView
    from traffic_tui.actions import Scope
    from traffic_tui.link import Heard
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role

RELOAD_SECONDS = 2.0
ASIDE_CELLS = 8
LEAST_OUTPUT_LINES = 8
"""Lines of the screen that are kept for the outputs, their heading and the fixed lines apart."""


class CompareScreen(TableScreen):
    """See the module's words."""

    scope: ClassVar[Scope] = "compare"

    def __init__(self, desk: Desk, number: int) -> None:
        super().__init__(desk, str(number))
        self.number = number
        self.detail: JobDetailView | None = None
        self.compared: Compared | None = None
        self._facts = FactsBlock(id="facts")
        self._heading = FactsBlock(id="heading")
        self._rows = ComparedRows(self._pair_numbers)
        self.table = LineTable(self._rows, empty=("Loading.",), id="table")
        for widget in (self._facts, self._heading, self.table):
            widget.glyphs = desk.context.glyphs
        self._newer = 0
        """Number of the newer try of the two; 0: the newest, whichever that is."""
        self._stream = ""
        """The stream that was asked for; empty: the first that was written to."""
        self._catch_up = CatchUp(
            desk,
            lambda work: self.begin(work, "catch-up"),
            reload=self._reload,
            failed=lambda words: self.say(words, "warn"),
            shortest_pause=RELOAD_SECONDS,
        )

    def body(self) -> Iterable[Widget]:
        yield self._facts
        yield self._heading
        yield self.table

    # what is shown ----------------------------------------------------------------------------

    def crumb(self) -> CrumbState:
        if self.detail is None:
            return CrumbState(path=("Jobs", str(self.number), "tries"))
        job = self.detail.job
        return CrumbState(
            path=("Jobs", f"{job.number} {clean(job.type)}", "tries"),
            state=job_state_span(job, self.desk.context),
        )

    def note(self) -> tuple[str, Role]:
        """The line under the cursor, from its beginning."""
        key = self.table.cursor_key
        if key is None or int(key) >= len(self._rows.rows):
            return "", "plain"
        return clean(self._rows.text(int(key)).rpartition("\n")[2]), "plain"

    def pair(self) -> tuple[AttemptView, AttemptView] | None:
        """The two tries whose outputs are compared, the older first; None: there is one at most."""
        tries = sorted(self.detail.attempts, key=lambda one: one.number) if self.detail else []
        if len(tries) < 2:
            return None
        numbers = [one.number for one in tries]
        place = numbers.index(self._newer) if self._newer in numbers[1:] else len(tries) - 1
        return tries[place - 1], tries[place]

    def _pair_numbers(self) -> tuple[int, int]:
        pair = self.pair()
        return (pair[0].number, pair[1].number) if pair is not None else (0, 0)

    def tick(self) -> None:
        self._show_facts()
        super().tick()

    def on_resize(self, event: events.Resize) -> None:
        self._show_facts()
        self._show_rows()

    def zone_changed(self) -> None:
        self._show_facts()
        self.show_lines()

    def on_line_table_cursor_moved(self) -> None:
        self.show_lines()

    def _show_facts(self) -> None:
        if self.detail is None or not self.is_mounted:
            return
        numbers = self._pair_numbers()
        width, height = self.size
        shown = tries_shown(self.detail.attempts, numbers[1], width)
        most = max(3, height - 5 - LEAST_OUTPUT_LINES)
        self._facts.show(try_lines(shown, numbers, self.desk.context, width, most))
        self._heading.show([self._heading_line(width)])

    def _heading_line(self, width: int) -> list[Span]:
        glyphs = self.desk.context.glyphs
        rule = glyphs.rule
        words = self.compared.words() if self.compared is not None else ""
        older, newer = self._pair_numbers()
        name = f"tries {older} and {newer}" if older else "tries"
        text = crop(f"{name}: {words}" if words else name, max(0, width - 6), glyphs.ellipsis)
        rest = rule * max(0, width - cells(text) - 4)
        return [Span(f"{rule}{rule} "), Span(text, "title"), Span(f" {rest}")]

    def _show_rows(self) -> None:
        found = self.compared
        rows = (
            shown_lines(found.found.lines(), self.size.width, differ_in_words=found.found.differs)
            if found is not None
            else []
        )
        self.table.set_empty([self._emptiness()])
        is_same, self._rows.rows = rows == self._rows.rows, rows
        self.table.all_changed()  # the headings name the tries, also where no line is shown
        if not is_same:
            self.table.set_order(list(range(len(rows))))
            self.table.select(self._rows.first_difference)

    def _emptiness(self) -> str:
        if self.detail is None:
            return self.desk.emptiness("tries", "", is_loaded=False)
        if self.pair() is None:
            return "One try was made: there is nothing to compare it with."
        is_known = self.compared is not None and self.compared.is_done
        return "They do not differ in any line." if is_known else "Reading."

    # loading ----------------------------------------------------------------------------------

    @property
    def is_behind(self) -> bool:
        return self._catch_up.is_outdated

    def heard(self, heard: Heard) -> None:
        for item in heard.items:
            is_mine = (
                item.number == self.number
                if isinstance(item, NoticeView)
                else self.number in item.jobs
            )
            self._catch_up.is_outdated = self._catch_up.is_outdated or is_mine
        self._catch_up.is_outdated = self._catch_up.is_outdated or heard.is_incomplete
        if self.is_current:
            self._catch_up.step()

    def on_screen_resume(self) -> None:
        self._catch_up.is_outdated = True

    async def _reload(self) -> None:
        self.detail = await self.desk.client.job(str(self.number))
        self._show_facts()
        pair = self.pair()
        if pair is None:
            self._show_rows()
            return
        streams = streams_to_compare(pair)
        stream = self._stream if self._stream in streams else streams[0]
        compared = self.compared
        if compared is None or not compared.is_about(*pair, stream):
            self.compared = compared = Compared(self.detail.job.id, *pair, stream)
        if compared.found.is_done:
            return
        compared.look_again(*pair)
        await compared.read(self.desk.client)
        self._show_facts()
        self._show_rows()
        self.show_lines()

    # keys -------------------------------------------------------------------------------------

    def do_previous_attempt(self) -> None:
        self._switch(-1)

    def do_next_attempt(self) -> None:
        self._switch(1)

    def _switch(self, step: int) -> None:
        attempts = self.detail.attempts if self.detail is not None else []
        numbers = sorted(one.number for one in attempts)[1:]
        newer = self._pair_numbers()[1]
        place = numbers.index(newer) + step if newer else -1
        if not 0 <= place < len(numbers):
            self.say("there is no older try" if step < 0 else "there is no newer try")
            return
        self._newer = 0 if place == len(numbers) - 1 else numbers[place]
        self._begin_again()

    def do_stream(self) -> None:
        pair = self.pair()
        streams = streams_to_compare(pair) if pair is not None else []
        if len(streams) < 2 or self.compared is None:
            self.say("there is one stream only")
            return
        at = streams.index(self.compared.stream) if self.compared.stream in streams else 0
        self._stream = streams[(at + 1) % len(streams)]
        self._begin_again()

    def _begin_again(self) -> None:
        self.compared, self._rows.aside = None, 0
        self._show_facts()
        self._show_rows()
        self._catch_up.hurry()

    def do_left(self) -> None:
        self._move_aside(-ASIDE_CELLS)

    def do_right(self) -> None:
        self._move_aside(ASIDE_CELLS)

    def _move_aside(self, by: int) -> None:
        self._rows.aside = max(0, self._rows.aside + by)
        self.table.all_changed()

    def do_output(self) -> None:
        pair = self.pair()
        self.desk.navigator.show_output(self.number, pair[1].number if pair is not None else 0)

    def do_copy(self) -> None:
        key = self.table.cursor_key
        if key is not None:
            self.copy(self._rows.text(int(key)), "the line")

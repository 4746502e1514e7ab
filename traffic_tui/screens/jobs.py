"""The Jobs screen: what waits, runs and ended, and everything one can do about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from server.filters import suggest
from traffic_tui.client.resting_filter import NO_PIECES, WORDS, RestingFilter
from traffic_tui.screens.catch_up import CatchUp
from traffic_tui.screens.filters import (
    COUNT_FILTERS,
    JOB_PROBLEMS,
    TYPING_PAUSE_SECONDS,
    job_filter_problem,
)
from traffic_tui.screens.job_list_acts import JobListActs
from traffic_tui.screens.job_pages import JobPages
from traffic_tui.screens.notes import Notes
from traffic_tui.screens.preview import LEAST_LINES, Preview
from traffic_tui.screens.rows import job_rows
from traffic_tui.state.formats import count
from traffic_tui.state.job_columns import job_note, job_wants
from traffic_tui.state.new_above import NewAbove
from traffic_tui.state.order import JOB_ORDERS, PlacingPace
from traffic_tui.widgets.crumb import CrumbState
from traffic_tui.widgets.output_view import OutputView

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from textual import events
    from textual.widget import Widget

    from server.wire.operator import JobView
    from traffic_tui.actions import Scope
    from traffic_tui.link import Heard
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role
    from traffic_tui.state.order import SortOrder
    from traffic_tui.widgets.filter_bar import FilterProblem
    from traffic_tui.widgets.line_table import LineTable, RowKey


class JobsScreen(JobListActs):
    """See the module's words."""

    scope: ClassVar[Scope] = "jobs"
    orders: ClassVar[Mapping[str, SortOrder[JobView]]] = JOB_ORDERS

    def __init__(self, desk: Desk, filter_text: str = "") -> None:
        self.pages = JobPages(desk.client, filter_text=filter_text)
        columns = desk.config.columns.get("jobs", ())
        source = job_rows(lambda: self.pages.mirror.jobs, desk.context, columns)
        super().__init__(desk, source, about=filter_text, order="number")
        self._first_filter = filter_text
        self._resting = RestingFilter(desk.client)
        self._new_above = NewAbove()
        self._pace = PlacingPace()
        self._is_at_head = True
        """Until a key is pressed the cursor stays on the first row, whichever that is."""
        self._wants: Mapping[str, int] = {}
        self._catch_up = CatchUp(
            desk,
            lambda work: self.begin(work, "catch-up"),
            reload=self._reload,
            refresh=self._refresh,
            failed=lambda words: self.say(words, "warn"),
        )

        self._notes = Notes(desk.client, self.pages.mirror)
        self._preview_view = OutputView(id="preview")
        self._preview_view.glyphs = desk.context.glyphs
        self._preview = Preview(desk, self._preview_view)
        self._wants_preview = desk.config.preview

    def body(self) -> Iterable[Widget]:
        yield self.table
        yield self._preview_view
        yield self._filter_bar

    def on_mount(self) -> None:
        if self._first_filter:
            self.set_filter(self._first_filter)

    def on_resize(self, event: events.Resize) -> None:
        self._show_preview()

    def on_screen_resume(self) -> None:
        self.desk.context.notes = self.pages.mirror.notes

    # what is shown ----------------------------------------------------------------------------

    def crumb(self) -> CrumbState:
        return CrumbState(
            path=("Jobs",),
            filter=self.filter_text,
            aside=WORDS if self.filter_text == NO_PIECES else "",
            count=self._count_words() if self.pages.is_loaded else "",
            new_above=self._new_above.count(self.pages.numbers, self.table.top),
            marked=len(self.table.selection.marks),
            order=self._order_words(),
        )

    def _order_words(self) -> str:
        """Rows that are ordered here are ordered among those that are here."""
        words = self.order_words()
        if self.pages.is_local_order and self.pages.has_more:
            return f"{words} among the newest {count(len(self.pages.numbers))}"
        return words

    def _count_words(self) -> str:
        mirror, stats = self.pages.mirror, self.desk.link.stats
        counted = count(mirror.count, is_estimate=not mirror.count_is_exact)
        if self.filter_text and stats is not None:
            all_jobs = max(mirror.count, sum(stats.counts.values()))
            return f"{counted} of {count(all_jobs)}"
        return f"{counted} job{'' if mirror.count == 1 else 's'}"

    def note(self) -> tuple[str, Role]:
        job = self.cursor_job()
        if job is None:
            return "", "plain"
        where = f" on {job.runner.name}" if job.runner is not None else ""
        words = job_note(job, self.desk.context)
        role: Role = "bad" if job.state in ("failed", "expired") else "plain"
        return (f"{job.number}{where}: {words}" if words else ""), role

    def cursor_job(self) -> JobView | None:
        """The job under the cursor."""
        key = self.table.cursor_key
        return self.pages.mirror.jobs.get(int(key)) if key is not None else None

    def tick(self) -> None:
        if not self.pages.numbers:
            words = self.desk.emptiness(
                "jobs",
                self.filter_text,
                is_loaded=self.pages.is_loaded,
                first_filter=self._first_filter,
            )
            self.table.set_empty([words])
        self._preview.tick()
        self._fetch_notes()
        super().tick()

    def _fetch_notes(self) -> None:
        """Once a second at most: for rows in view, or the cursor's where there is no NOTE."""
        now = self.desk.clock.monotonic()
        has_column = self.table.shows("note")
        cursor = self.table.cursor_key
        rows = self._in_view() if has_column else [] if cursor is None else [int(cursor)]
        jobs = self._notes.wanted(rows, now) if self.desk.link.state == "live" else []
        if jobs and self.is_current:
            self.load(self._load_notes(jobs, now), group="notes")

    async def _load_notes(self, jobs: Sequence[JobView], now: float) -> None:
        await self._notes.fetch(jobs, now)
        self._show_rows()

    # the preview ------------------------------------------------------------------------------

    @property
    def has_preview(self) -> bool:
        """Whether what the cursor's job says is shown below the list."""
        return self._wants_preview and self.size.height >= LEAST_LINES

    def _show_preview(self) -> None:
        self.set_class(self.has_preview, "-preview")
        job = self.cursor_job()
        if self.has_preview and job is not None and not self._preview.is_aimed_at(job):
            self._preview.aim(job)
            self.load(self._preview.show(job), group="preview")

    def do_preview(self) -> None:
        self._wants_preview = not self._wants_preview
        if self.size.height < LEAST_LINES:
            self.say(f"the preview needs {LEAST_LINES} lines; l shows the output")
        self._show_preview()

    def on_line_table_cursor_moved(self, event: LineTable.CursorMoved) -> None:
        self._show_preview()

    # news -------------------------------------------------------------------------------------

    @property
    def is_behind(self) -> bool:
        return self._catch_up.is_outdated

    def heard(self, heard: Heard) -> None:
        mirror = self.pages.mirror
        if not (heard or mirror.has_changes or self.is_behind or self._catch_up.rows):
            return
        for item in heard.items:
            mirror.apply(item)
        if self._resting.hear(heard.items) and not self.filter_text:
            self.set_filter(self._home)
        self._notes.hear(heard.items, self.desk.clock.monotonic())
        changes = mirror.take_changes()
        self._notes.spoke(changes.output)
        self.table.rows_changed(changes.jobs)
        self._catch_up.rows |= changes.outdated
        if heard.is_incomplete or changes.arrived or changes.gone:
            self._catch_up.is_outdated = True
        elif changes.jobs and self.filter_text:
            self._catch_up.is_outdated = True
        if self.is_current:
            self._catch_up.step(self._in_view() if self._catch_up.rows else ())
            if self.has_preview and self._preview.number in changes.output:
                self._follow_preview()

    def _follow_preview(self) -> None:
        self.begin(self._preview.follow(), "follow-preview")

    def _in_view(self) -> list[int]:
        keys = self.table.keys
        return [int(keys[index]) for index in self.table.visible_range()]

    async def _refresh(self, rows: Sequence[int]) -> None:
        await self.pages.refresh(rows)
        self._show_rows()

    async def _reload(self) -> None:
        now = self.desk.clock.monotonic()
        may_place = self._pace.may_place(now)
        is_first = not self.pages.is_loaded
        if is_first and not self.filter_text:
            await self._resting.look()
            self.set_filter(self._resting.text)
        before = list(self.pages.numbers)
        changed = await self.pages.load(self.filter_text, order=self.order, may_place=may_place)
        if may_place:
            self._pace.placed(now)
        self._show_list(changed)
        self._new_above.came(before, self.pages.numbers, self.table.top)
        self.show_lines()
        if is_first and not self._first_filter:
            self.desk.navigator.first_list_loaded(self.pages.mirror.count)

    def _show_rows(self) -> None:
        """Some rows were loaded anew, where they stand."""
        mirror = self.pages.mirror
        changes = mirror.take_changes()
        self.desk.see(mirror.jobs[number] for number in changes.jobs if number in mirror.jobs)
        self.table.rows_changed(changes.jobs)
        self._show_preview()
        self.show_lines()

    def _show_list(self, changed: set[int]) -> None:
        """The list was loaded anew: rows may have come, gone, or stand elsewhere."""
        jobs = self.pages.mirror.jobs
        self.pages.mirror.take_changes()
        self.desk.context.notes = self.pages.mirror.notes
        self.desk.see(jobs[number] for number in changed)
        self.table.selection.forget(self.table.selection.marks - jobs.keys())
        wants = job_wants(jobs.values())
        if wants != self._wants:
            self._wants = wants
            self.table.all_changed()
        else:
            self.table.rows_changed(changed)
        self.table.set_order(self.pages.numbers)
        if self._is_at_head:
            self.table.action_first()
        self._show_preview()
        self.tick()

    async def _load_more(self) -> None:
        if await self.pages.load_more():
            self.desk.see(self.pages.mirror.jobs.values())
            self.table.set_order(self.pages.numbers)
            self.show_lines()

    def on_line_table_near_end(self, event: LineTable.NearEnd) -> None:
        if self.pages.has_more and not self.pages.is_local_order:
            self.load(self._load_more(), group="more")

    def on_line_table_marks_changed(self, event: LineTable.MarksChanged) -> None:
        self.show_lines()

    # filter and order -------------------------------------------------------------------------

    def filter_problem(self, text: str) -> FilterProblem | None:
        return job_filter_problem(text)

    def filter_completions(self, text: str, cursor: int) -> Sequence[tuple[int, int, str]]:
        return suggest(text, cursor)

    def filter_changed(self, text: str) -> None:
        self.load(self._load_filter(text), group="filter")

    async def _load_filter(self, text: str) -> None:
        """Half a word is no filter: wait until the typing pauses."""
        await asyncio.sleep(TYPING_PAUSE_SECONDS)
        is_same = text == self.pages.filter
        changed = await self.pages.load(text, order=self.order)
        self._begin_list(changed, keep_cursor=is_same)

    def order_changed(self) -> None:
        self.load(self._load_order(), group="filter")

    async def _load_order(self) -> None:
        changed = await self.pages.load(self.filter_text, order=self.order)
        self._begin_list(changed, keep_cursor=True)

    def _begin_list(self, changed: set[int], *, keep_cursor: bool) -> None:
        """Another list: where the cursor's row is not in it, it begins at its beginning."""
        self._new_above.forget()
        key = self.table.cursor_key
        if not keep_cursor and (key is None or int(key) not in self.pages.mirror.jobs):
            self._is_at_head = True
        self._show_list(changed)

    @property
    def _home(self) -> str:
        """The filter the list goes back to."""
        return self._first_filter or self._resting.text

    def show_home(self) -> None:
        """The list as it begins."""
        self._resting.insist()
        self.set_filter(self._home)

    def do_back(self) -> None:
        """First a filter goes that was put over the first one, then the one it rests in."""
        if self.filter_text and self.filter_text != self._home:
            self.set_filter(self._home)
        elif self.filter_text and not self._first_filter:
            self.do_count_1()
        else:
            self.desk.navigator.back()

    def do_problems(self) -> None:
        self.set_filter(self._home if self.filter_text == JOB_PROBLEMS else JOB_PROBLEMS)

    def do_count_1(self) -> None:
        self._resting.waive()
        self.set_filter(COUNT_FILTERS[1])

    def do_count_2(self) -> None:
        self.set_filter(COUNT_FILTERS[2])

    def do_count_3(self) -> None:
        self.set_filter(COUNT_FILTERS[3])

    def do_count_4(self) -> None:
        self.set_filter(COUNT_FILTERS[4])

    def do_count_5(self) -> None:
        self.set_filter(COUNT_FILTERS[5])

    # acts -------------------------------------------------------------------------------------

    async def on_key(self, event: events.Key) -> None:
        self._pace.key_pressed(self.desk.clock.monotonic())
        self._is_at_head = False

    def do_top(self) -> None:
        super().do_top()
        self._is_at_head = True

    def do_groups(self) -> None:
        self.desk.navigator.show_groups(self.filter_text)

    def row_text(self, key: RowKey) -> str:
        return self.pages.mirror.jobs[int(key)].id

    def do_mark_all(self) -> None:
        self.table.mark_all()
        if self.pages.has_more:
            listed, total = len(self.pages.numbers), self.pages.mirror.count
            self.say(f"marked the {count(listed)} listed of {count(total)}", "warn")

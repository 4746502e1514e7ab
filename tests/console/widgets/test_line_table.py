from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from server.model import JOB_STATES
from tests.console.views import HOSTILE_NAMES, MINUTE, NOW, job_times, job_view
from tests.console.widgets.stage import Stage, painted_lines, settle, waiting_regions
from traffic_tui.state.columns import PlacedColumn, fit_columns
from traffic_tui.state.contrast import READABLE, contrast
from traffic_tui.state.glyphs import ASCII
from traffic_tui.state.job_columns import JOB_COLUMNS, job_cell, job_row_role
from traffic_tui.state.row_context import RowContext
from traffic_tui.themes import StateLook, shipped_themes
from traffic_tui.widgets.line_table import LineTable
from traffic_tui.widgets.role_styles import rgb_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.wire.operator import JobView
    from traffic_tui.state.columns import Cell
    from traffic_tui.state.glyphs import Role


class Jobs:
    """A row source over made-up jobs that counts what it is asked."""

    def __init__(self, *jobs: JobView) -> None:
        self.jobs = {job.number: job for job in jobs}
        self.context = RowContext(NOW)
        self.cells_asked = 0

    def columns(self, width: int) -> Sequence[PlacedColumn]:
        return fit_columns(JOB_COLUMNS, width)

    def cell(self, key: Any, column: PlacedColumn) -> Cell:
        self.cells_asked += 1
        return job_cell(self.jobs[key], column.column.key, self.context, column.width)

    def row_role(self, key: Any) -> Role:
        return job_row_role(self.jobs[key])


def many(count: int) -> tuple[Jobs, LineTable]:
    source = Jobs(*(job_view(number) for number in range(count, 0, -1)))
    return source, LineTable(source, empty=("No jobs.",))


def numbers(stage: Stage) -> list[int]:
    """Job numbers on the screen, from top to bottom."""
    rows = (strip.text.split() for strip in stage.strips()[1:])
    return [int(word) for row in rows for word in row if word.isdecimal() and len(word) > 3]


SCREEN_80 = """\
   STATE       JOB↓ TYPE               QUEUE   RUNNER    PROGRESS     FOR QUIET
 ◷ scheduled  52100 resize-images      gpu                            12m
 ○ pending    52101 resize-images      gpu                            12m
*◔ claimed    52102 resize-images      gpu     lab-07    ███▋   61%   12m
 ▸ running    52103 resize-images      gpu     lab-07    ███▋   61%   12m    4s
 □ stopping   52104 resize-images      gpu     lab-07    ███▋   61%   12m    4s
 ✓ completed  52105 resize-images      gpu     lab-07                 12m
 ✗ failed     52106 resize-images      gpu     lab-07                 12m
 ■ stopped    52107 resize-images      gpu     lab-07                 12m
 ⊘ expired    52108 resize-images      gpu     lab-07                 12m"""

ASCII_80 = """\
 @ scheduled  52100 resize-images      gpu                            12m
 . pending    52101 resize-images      gpu                            12m
*o claimed    52102 resize-images      gpu     lab-07    ###... 61%   12m
 > running    52103 resize-images      gpu     lab-07    ###... 61%   12m    4s
 ~ stopping   52104 resize-images      gpu     lab-07    ###... 61%   12m    4s
 + completed  52105 resize-images      gpu     lab-07                 12m
 X failed     52106 resize-images      gpu     lab-07                 12m
 = stopped    52107 resize-images      gpu     lab-07                 12m
 % expired    52108 resize-images      gpu     lab-07                 12m"""


def every_state() -> tuple[Jobs, LineTable]:
    source = Jobs(*(job_view(52100 + place, state) for place, state in enumerate(JOB_STATES)))
    return source, LineTable(source)


async def test_a_list_at_eighty_cells() -> None:
    source, table = every_state()
    stage = Stage(table)
    async with stage.run_test(size=(80, 24)) as pilot:
        table.show_sort("number", is_descending=True)
        table.set_order(list(source.jobs))
        table.select(52102)
        table.toggle_mark()
        await settle(pilot)
        assert stage.text().rstrip() == SCREEN_80


async def test_the_same_list_in_ascii() -> None:
    source, table = every_state()
    source.context.glyphs = table.glyphs = ASCII
    stage = Stage(table)
    async with stage.run_test(size=(80, 24)) as pilot:
        table.set_order(list(source.jobs))
        table.select(52102)
        table.toggle_mark()
        await settle(pilot)
        assert stage.text().rstrip().partition("\n")[2] == ASCII_80
        assert stage.text().isascii()


async def test_a_wide_list_has_more_columns() -> None:
    source, table = every_state()
    stage = Stage(table)
    async with stage.run_test(size=(160, 50)) as pilot:
        table.set_order(list(source.jobs))
        await settle(pilot)
        words = stage.line(0).split()
        assert words == "STATE JOB TYPE QUEUE PRI RUNNER TRY PROGRESS FOR QUIET BY NOTE".split()
        await pilot.resize_terminal(60, 20)
        await settle(pilot)
        assert stage.line(0).split() == ["STATE", "JOB", "TYPE", "RUNNER", "FOR"]


async def test_the_cursor_keeps_its_row_and_its_line_when_rows_come_and_go() -> None:
    source, table = many(0)
    stage = Stage(table)
    source.jobs = {number: job_view(number) for number in range(1_000, 2_000)}
    keys = sorted(source.jobs, reverse=True)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.set_order(keys)
        table.select(1_900)
        await settle(pilot)
        line = next(y for y in range(21) if " 1900 " in stage.line(y))
        for number in range(2_000, 2_030):
            source.jobs[number] = job_view(number)
        keys[:0] = range(2_029, 1_999, -1)
        table.set_order(keys)
        await settle(pilot)
        assert table.cursor_key == 1_900
        assert " 1900 " in stage.line(line)
        del keys[:50]
        table.set_order(keys)
        await settle(pilot)
        assert table.cursor_key == 1_900
        assert " 1900 " in stage.line(line)


async def test_rows_that_come_above_paint_nothing_but_the_bar() -> None:
    source, table = many(5_000)
    stage = Stage(table)
    keys = sorted(source.jobs, reverse=True)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.set_order(keys)
        table.select(2_500)
        await settle(pilot)
        asked = source.cells_asked
        source.jobs[5_001] = job_view(5_001)
        keys.insert(0, 5_001)
        table.set_order(keys)
        dirty = [region for region in waiting_regions(table) if region.width > 1]
        assert dirty == []
        await settle(pilot)
        assert source.cells_asked == asked


async def test_one_changed_row_paints_one_line() -> None:
    source, table = many(5_000)
    stage = Stage(table)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.set_order(sorted(source.jobs, reverse=True))
        await settle(pilot)
        asked = source.cells_asked
        source.jobs[4_990] = job_view(4_990, "failed")
        table.row_changed(4_990)
        table.row_changed(17)
        assert painted_lines(table) == [11]
        await settle(pilot)
        assert "failed" in stage.line(11)
        assert source.cells_asked - asked == len(source.columns(79))


async def test_many_changes_cost_the_rows_in_view() -> None:
    source, table = many(5_000)
    stage = Stage(table)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.set_order(sorted(source.jobs, reverse=True))
        await settle(pilot)
        asked = source.cells_asked
        for number in source.jobs:
            source.jobs[number] = job_view(number, "completed")
        table.rows_changed(set(source.jobs))
        await settle(pilot)
        assert source.cells_asked - asked == 20 * len(source.columns(79))
        assert "completed" in stage.line(20)


async def test_a_tick_paints_only_ages_that_read_differently() -> None:
    young = job_view(1002, times=job_times(since=NOW - 5_000), quiet_since=0)
    source = Jobs(young, job_view(1001, quiet_since=0))
    table = LineTable(source)
    stage = Stage(table)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.set_order([1002, 1001])
        await settle(pilot)
        source.context.now += 1_000
        table.tick()
        assert painted_lines(table) == [1]
        assert all(region.width <= 5 for region in waiting_regions(table))
        await settle(pilot)
        assert stage.line(1).endswith("6s")


async def test_ages_go_on_where_rules_of_style_were_looked_at_and_nothing_was_painted() -> None:
    source = Jobs(job_view(1002, quiet_since=0), job_view(1001, quiet_since=0))
    table = LineTable(source)
    stage = Stage(table)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.set_order([1002, 1001])
        await settle(pilot)
        table.notify_style_update()
        await settle(pilot)
        source.context.now += 30 * MINUTE
        table.tick()
        await settle(pilot)
        assert [stage.line(y).split()[-1] for y in (1, 2)] == ["42m", "42m"]


async def test_keys_move_the_cursor() -> None:
    source, table = many(100)
    stage = Stage(table)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.focus()
        table.set_order(sorted(source.jobs, reverse=True))
        for keys, expected in (
            (("j", "down"), 98),
            (("k",), 99),
            (("G",), 1),
            (("g",), 100),
            (("ctrl+d",), 81),
            (("pagedown",), 62),
            (("ctrl+u", "pageup"), 100),
            (("end",), 1),
            (("home",), 100),
        ):
            await pilot.press(*keys)
            assert table.cursor_key == expected


async def test_marks_and_ranges() -> None:
    source, table = many(100)
    stage = Stage(table)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.set_order(sorted(source.jobs, reverse=True))
        table.toggle_mark()
        table.toggle_range()
        table.action_move(2)
        table.toggle_range()
        await settle(pilot)
        assert table.selection.marks == {100, 99, 98, 97}
        assert [stage.line(y)[0] for y in range(1, 6)] == list("**** ")
        table.mark_all()
        assert len(table.selection.marks) == 100
        table.clear_marks()
        await settle(pilot)
        assert "*" not in stage.text()


async def test_the_mouse_chooses_opens_scrolls_and_sorts() -> None:
    source, table = many(100)

    class Listener(Stage):
        def on_line_table_opened(self, event: LineTable.Opened) -> None:
            self.said.append(event)

        def on_line_table_sort_asked(self, event: LineTable.SortAsked) -> None:
            self.said.append(event)

    stage = Listener(table)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.set_order(sorted(source.jobs, reverse=True))
        await settle(pilot)
        await pilot.click(table, offset=(5, 3))
        assert table.cursor_key == 98
        await pilot.click(table, offset=(5, 4), times=2)
        await settle(pilot)
        assert isinstance(stage.said[-1], LineTable.Opened) and stage.said[-1].key == 97
        await pilot.click(table, offset=(16, 0))
        assert isinstance(stage.said[-1], LineTable.SortAsked)
        assert stage.said[-1].order == "number"
        await pilot.click(table, offset=(79, 20))
        await settle(pilot)
        assert table.top == table.max_top
        assert table.selection.index >= table.top
        table._wheel(-3)
        assert table.top == table.max_top - 3


async def test_an_empty_list_says_why() -> None:
    source, table = many(0)
    stage = Stage(table)
    async with stage.run_test(size=(80, 11)) as pilot:
        table.set_order([])
        await settle(pilot)
        assert stage.line(5).strip() == "No jobs."
        table.set_empty(("No jobs match x[/nope].", "esc clears the filter."))
        await settle(pilot)
        assert "x[/nope]" in stage.text()
        source.jobs[1] = job_view(1234)
        table.set_order([1])
        await settle(pilot)
        assert "No jobs" not in stage.text()


async def test_the_cursor_tells_when_its_row_has_gone() -> None:
    _source, table = many(10)

    class Listener(Stage):
        def on_line_table_cursor_moved(self, event: LineTable.CursorMoved) -> None:
            self.said.append(event)

    stage = Listener(table)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.set_order([10, 9, 8])
        table.set_order([9, 8])
        table.set_order([])
        await settle(pilot)
        keys = [event.key for event in stage.said if isinstance(event, LineTable.CursorMoved)]
        assert keys == [10, 9, None]


async def test_more_rows_are_asked_for_once_when_the_end_is_near() -> None:
    source, table = many(500)

    class Listener(Stage):
        def on_line_table_near_end(self, event: LineTable.NearEnd) -> None:
            self.said.append(event)

    stage = Listener(table)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.set_order(sorted(source.jobs, reverse=True))
        await settle(pilot)
        assert stage.said == []
        table.action_last()
        table.action_move(-1)
        await settle(pilot)
        assert len(stage.said) == 1


@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_hostile_names_do_no_harm(name: str) -> None:
    source = Jobs(job_view(1001, type=name, queue=name), job_view(1002))
    table = LineTable(source)
    stage = Stage(table)
    async with stage.run_test(size=(80, 6)) as pilot:
        table.set_order([1001, 1002])
        await settle(pilot)
        assert all(strip.cell_length == 80 for strip in stage.strips())
        assert numbers(stage) == [1001, 1002]
        assert stage.line(2).endswith("  12m    4s")


async def test_roles_carry_colour_and_the_cursor_is_reverse_video() -> None:
    source = Jobs(job_view(1001, "failed"), job_view(1002, "completed"))
    table = LineTable(source)
    stage = Stage(table)
    async with stage.run_test(size=(80, 6)) as pilot:
        table.set_order([1002, 1001])
        await settle(pilot)
        cursor, failed = stage.strips()[1], stage.strips()[2]
        assert all(segment.style.reverse for segment in list(cursor)[:-1] if segment.style)
        first = next(iter(failed))
        assert "failed" in first.text
        assert first.style is not None and first.style.bold
        assert first.style.color is not None and first.style.color.name == "#ff7b72"
        table.select(1001)
        await settle(pilot)
        glyph, word = list(stage.strips()[1])[:2]
        assert glyph.style is not None and glyph.style.color is not None
        assert glyph.style.color.name == "#6cc070"
        assert word.style is not None and word.style.color is not None
        assert word.style.color.name == "#98a0ab"


async def test_another_theme_repaints_everything() -> None:
    source = Jobs(job_view(1001, "failed"), job_view(1002))
    table = LineTable(source)
    stage = Stage(table)
    async with stage.run_test(size=(80, 6)) as pilot:
        table.set_order([1002, 1001])
        await settle(pilot)
        stage.theme = "light"
        await settle(pilot)
        style = next(iter(stage.strips()[2])).style
        assert style is not None and style.color is not None
        assert style.color.name == "#c01c28"


async def test_without_colour_states_differ_by_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    source = Jobs(job_view(1002, "completed"), job_view(1001, "failed"), job_view(1003, "stopping"))
    table = LineTable(source)
    stage = Stage(table, theme="mono")
    async with stage.run_test(size=(80, 6)) as pilot:
        table.set_order([1002, 1001, 1003])
        await settle(pilot)
        rows = [list(stage.strips()[y]) for y in (2, 3)]
        failed, stopping = (next(one.style for one in row if one.text.strip()) for row in rows)
        assert failed is not None and stopping is not None
        assert failed.bold and failed.underline
        assert stopping.underline and not stopping.bold
        assert failed.color is None or failed.color.is_default


async def test_a_late_job_is_seen_when_time_goes_on() -> None:
    source = Jobs(job_view(1001, quiet_since=NOW - 39_000))
    source.context.quiet_limit = lambda job: 40_000
    table = LineTable(source)
    stage = Stage(table)
    async with stage.run_test(size=(80, 6)) as pilot:
        table.set_order([1001])
        await settle(pilot)
        source.context.now += 41 * MINUTE
        table.tick()
        await settle(pilot)
        assert stage.line(1).endswith("41m!")


async def test_the_cursor_stays_in_view_in_a_smaller_window() -> None:
    source, table = many(100)
    stage = Stage(table)
    async with stage.run_test(size=(80, 31)) as pilot:
        table.set_order(sorted(source.jobs, reverse=True))
        table.action_move(28)
        await settle(pilot)
        await pilot.resize_terminal(80, 11)
        await settle(pilot)
        assert table.selection.index in table.visible_range()


async def test_a_list_at_its_end_fills_a_terminal_that_grew() -> None:
    source, table = many(100)
    stage = Stage(table)
    async with stage.run_test(size=(80, 21)) as pilot:
        table.set_order(sorted(source.jobs, reverse=True))
        table.action_last()
        await settle(pilot)
        await pilot.resize_terminal(80, 41)
        await settle(pilot)
        shown = [line.split()[2] for line in stage.text().splitlines()[1:] if line]
        assert shown == [str(number) for number in range(40, 0, -1)]


async def test_a_theme_that_changed_in_nothing_but_a_state_repaints() -> None:
    source = Jobs(job_view(1001, "failed"), job_view(1002))
    table = LineTable(source)
    stage = Stage(table)
    async with stage.run_test(size=(80, 6)) as pilot:
        table.set_order([1002, 1001])
        await settle(pilot)
        dark = next(theme for theme in shipped_themes() if theme.name == "dark")
        states = {**dark.states, "bad": StateLook("#ffaaaa", "none")}
        stage.register_theme(replace(dark, states=states).to_textual())
        stage.refresh_css(animate=False)
        await settle(pilot)
        style = next(iter(stage.strips()[2])).style
        assert style is not None and style.color is not None
        assert style.color.name == "#ffaaaa"


async def test_roles_can_be_read_under_themes_that_do_not_know_them() -> None:
    source, table = every_state()
    stage = Stage(table)
    async with stage.run_test(size=(80, 12)) as pilot:
        table.set_order(list(source.jobs))
        stage.theme = "textual-light"
        await settle(pilot)
        for strip in stage.strips()[2:10]:
            for segment in strip:
                style = segment.style
                assert style is not None and style.color is not None and style.bgcolor is not None
                text, ground = rgb_of(style.color), rgb_of(style.bgcolor)
                assert text is not None and ground is not None
                assert contrast(text, ground) >= READABLE

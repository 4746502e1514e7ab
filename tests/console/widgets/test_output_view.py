from __future__ import annotations

from typing import Any

import pytest

from tests.console.views import HOSTILE_NAMES, NOW
from tests.console.widgets.stage import Stage, settle, waiting_regions
from traffic_tui.client.base import OutputPart
from traffic_tui.state.glyphs import ASCII
from traffic_tui.state.outputlog import CHUNK_BYTES, OutputLog, OutputRange
from traffic_tui.widgets.output_title import place_words
from traffic_tui.widgets.output_view import OutputView


def part(offset: int, data: bytes, **changes: Any) -> OutputPart:
    fields = {
        "size": offset + len(data),
        "is_complete": False,
        "generation": 0,
        "gap_from": 0,
        "gap_to": 0,
    }
    return OutputPart(offset=offset, data=data, **{**fields, **changes})


def numbered(first: int, count: int) -> bytes:
    return b"".join(b"line %06d\n" % number for number in range(first, first + count))


LINE = len(numbered(0, 1))


class OutputStage(Stage):
    """Holds a whole output and gives the view what it asks for."""

    def __init__(self, view: OutputView, whole: bytes = b"") -> None:
        super().__init__(view)
        self.view = view
        self.whole = whole
        self.ranges: list[OutputRange] = []

    def on_output_view_wanted(self, event: OutputView.Wanted) -> None:
        for wanted in event.ranges:
            self.ranges.append(wanted)
            self.give(wanted)

    def on_output_view_search_beyond(self, event: OutputView.SearchBeyond) -> None:
        self.said.append(event)

    def give(self, wanted: OutputRange) -> None:
        size = len(self.whole)
        offset = max(0, size + wanted.offset) if wanted.offset < 0 else wanted.offset
        data = self.whole[offset : offset + wanted.limit]
        self.view.load(part(offset, data, size=size), wanted.stream)

    def open(self) -> None:
        for wanted in self.view.open("output, try 2"):
            self.give(wanted)

    def grow(self, data: bytes) -> None:
        self.whole += data
        for wanted in self.view.tail_ranges():
            self.give(wanted)

    def body(self) -> list[str]:
        return [line[:-1].rstrip() for line in self.shown()]

    def shown(self) -> list[str]:
        return [strip.text for strip in self.strips()[1:]]


SCREEN = """\
── output, try 2 ────────────────────────────── line 5 of 5  49 B  following ──
  plain
  red and bold
! warn: x[/nope]
! no alpha
  decode tile 0612▏"""

ASCII_SCREEN = SCREEN.replace("─", "-").replace("▏", "|")


async def fill_both(view: OutputView) -> None:
    view.open("output, try 2", ("stdout", "stderr"))
    view.load(part(0, b"plain\n\x1b[31mred and \x1b[1mbold\x1b[0m\n"), "stdout")
    view.load(part(0, b"warn: x[/nope]\nno alpha\n"), "stderr")
    view.load(part(32, b"decode tile 0612"), "stdout")


async def test_output_of_two_streams() -> None:
    view = OutputView()
    stage = Stage(view)
    async with stage.run_test(size=(80, 8)) as pilot:
        await fill_both(view)
        await settle(pilot)
        shown = stage.text().rstrip().splitlines()
        assert shown[1:] == SCREEN.splitlines()[1:]
        assert shown[0].startswith("── output, try 2 ──") and shown[0].endswith("following ──")


async def test_output_in_ascii() -> None:
    view = OutputView()
    view.glyphs = ASCII
    stage = Stage(view)
    async with stage.run_test(size=(80, 8)) as pilot:
        await fill_both(view)
        await settle(pilot)
        assert stage.text().isascii()
        assert stage.text().rstrip().splitlines()[1:] == ASCII_SCREEN.splitlines()[1:]


async def test_it_follows_until_one_looks_up_and_again_at_the_end() -> None:
    view = OutputView()
    stage = OutputStage(view, numbered(0, 100))
    async with stage.run_test(size=(80, 11)) as pilot:
        stage.open()
        view.focus()
        await settle(pilot)
        assert stage.body()[-1] == "  line 000099"
        assert view.title == "following"
        await pilot.press("k")
        stage.grow(numbered(100, 312))
        await settle(pilot)
        assert view.title == "held, 312 new"
        assert stage.body()[-1] == "  line 000098"
        await pilot.press("G")
        await settle(pilot)
        assert view.title == "following"
        assert stage.body()[-1] == "  line 000411"
        await pilot.press("f")
        assert view.title == "held"
        view.set_ended("exit 137")
        await pilot.press("F")
        assert view.title == "ended, exit 137"


async def test_what_is_read_does_not_move_and_is_not_painted_again() -> None:
    view = OutputView()
    stage = OutputStage(view, numbered(0, 100))
    async with stage.run_test(size=(80, 11)) as pilot:
        stage.open()
        view.focus()
        await pilot.press("pageup", "pageup")
        await settle(pilot)
        before = stage.body()
        stage.grow(numbered(100, 50))
        wide = [region for region in waiting_regions(view) if region.width > 1]
        assert [list(region.line_range) for region in wide] == [[0]]
        await settle(pilot)
        assert stage.body() == before


async def test_old_lines_are_dropped_without_moving_the_reader() -> None:
    view = OutputView(OutputLog(max_lines=3_000))
    stage = OutputStage(view, numbered(0, 3_000))
    async with stage.run_test(size=(80, 11)) as pilot:
        stage.open()
        view.focus()
        await pilot.press("k", "k")
        await settle(pilot)
        before = stage.body()
        for batch in range(3, 20):
            stage.grow(numbered(batch * 1_000, 1_000))
        await settle(pilot)
        assert stage.body() == before
        assert view.output.line_count() < 5_000


def test_the_end_of_a_small_stream_is_the_end_beside_a_large_one() -> None:
    output = OutputLog()
    output.open(("stdout", "stderr"))
    output.load(part(900_000, numbered(0, 10)), "stdout")
    output.load(part(0, b"warning\n"), "stderr")
    last = output.line_count() - 1
    assert place_words(output, output.id_at(last), has_ended=True) == "at 100%"
    assert place_words(output, output.id_at(last - 5), has_ended=True) == "at 99%"


async def test_it_opens_at_the_end_of_anything_and_walks_back() -> None:
    view = OutputView()
    stage = OutputStage(view, numbered(0, 100_000))
    async with stage.run_test(size=(80, 11)) as pilot:
        stage.open()
        view.focus()
        await settle(pilot)
        assert stage.body()[-1] == "  line 099999"
        assert view.output.line_count() * LINE < 2 * CHUNK_BYTES
        assert "at 99%" in stage.line(0) or "at 100%" in stage.line(0)
        view._scroll(150)
        reading = view.current_line()
        await settle(pilot)
        assert stage.ranges[-1].limit == CHUNK_BYTES
        assert view.current_line() == reading
        assert reading is not None and stage.body()[0].strip() == reading.text()
        assert view.top > 20_000


async def test_the_beginning_is_fetched_and_the_way_down_too() -> None:
    view = OutputView()
    stage = OutputStage(view, numbered(0, 100_000))
    async with stage.run_test(size=(80, 11)) as pilot:
        stage.open()
        view.focus()
        await pilot.press("g")
        await settle(pilot)
        assert stage.body()[0] == "  line 000000"
        assert "line 10 of" in stage.line(0)
        view._scroll(view.max_top)
        await settle(pilot)
        assert view.output.line_count() > 30_000
        assert "not loaded" in view.title
        await pilot.press("G")
        await settle(pilot)
        assert stage.body()[-1] == "  line 099999"


async def test_a_place_by_share_and_by_byte() -> None:
    view = OutputView()
    stage = OutputStage(view, numbered(0, 100_000))
    async with stage.run_test(size=(80, 11)) as pilot:
        stage.open()
        view.go_to_share(0.5)
        await settle(pilot)
        assert stage.body()[0] == "  line 049999"
        view.go_to_offset(50_010 * LINE + 3)
        await settle(pilot)
        assert "  line 050010" in stage.body()


async def test_the_note_on_what_lies_before_is_a_line_of_its_own() -> None:
    view = OutputView(OutputLog(max_lines=2_000))
    stage = OutputStage(view, b"")
    async with stage.run_test(size=(80, 11)) as pilot:
        stage.open()
        for batch in range(5):
            stage.grow(numbered(batch * 1_000, 1_000))
        view.output.hold()
        view.scroll_to_line(0)
        await settle(pilot)
        assert "lines not in this view of" in stage.body()[0]
        assert "g loads them" in stage.body()[0]


async def test_folding_keeps_the_line_at_the_top() -> None:
    view = OutputView()
    long = b"".join(b"%03d " % number + b"x" * 100 + b"\n" for number in range(50))
    stage = OutputStage(view, long)
    async with stage.run_test(size=(60, 11)) as pilot:
        stage.open()
        view.focus()
        await pilot.press("g")
        view._scroll(20)
        await pilot.press("w")
        await settle(pilot)
        assert stage.body()[0].startswith("  020 xx")
        assert stage.body()[1].startswith("  xx")
        assert view.line_count() == 100
        await pilot.press("j", "w")
        await settle(pilot)
        assert stage.body()[0].startswith("  020 xx")


async def test_folded_lines_are_seen_whole_however_far_aside_they_were_before() -> None:
    view = OutputView()
    stage = OutputStage(view, b"first letters, and the rest of a line that is long\n" * 3)
    async with stage.run_test(size=(30, 8)) as pilot:
        stage.open()
        view.action_aside(1)
        await settle(pilot)
        assert stage.body()[0].startswith("  tters")
        view.action_wrap()
        await settle(pilot)
        assert stage.body()[0].startswith("  first")
        view.show_only("rest")
        view.action_aside(-1)
        await settle(pilot)
        assert stage.body()[0].startswith("  first"), "these are not folded: keys move them"
        view.action_aside(2)
        await settle(pilot)
        assert stage.body()[0].startswith("  nd the rest")


async def test_sideways_stays_while_following() -> None:
    view = OutputView()
    stage = OutputStage(view, b"0123456789" * 20 + b"\n")
    async with stage.run_test(size=(60, 11)) as pilot:
        stage.open()
        view.focus()
        await pilot.press("right")
        stage.grow(b"abcdefghijklm\n")
        await settle(pilot)
        assert stage.body()[0].startswith("  89012")
        assert stage.body()[1] == "  ijklm"
        await pilot.press("left", "left")
        await settle(pilot)
        assert stage.body()[1] == "  abcdefghijklm"


async def test_times_marks_and_colours() -> None:
    view = OutputView()
    stage = Stage(view)
    async with stage.run_test(size=(60, 11)) as pilot:
        view.open("output")
        view.load(part(0, b"\x1b[31mone\x1b[0m\ntwo\n"), at=NOW)
        view.focus()
        await pilot.press("t", "m")
        await settle(pilot)
        assert stage.line(1) == "22:13:20 > one"
        assert stage.line(2) == "22:13:20   two"
        assert [line.text() for line in view.marked_lines()] == ["one"]
        await pilot.press("m", "t")
        await settle(pilot)
        assert stage.line(1) == "  one"
        red = _style_of(stage, 1, "one")
        assert red.color is not None and red.color.name != "#d9dde3"
        await pilot.press("C")
        await settle(pilot)
        plain = _style_of(stage, 1, "one")
        assert plain.color is not None and plain.color.name == "#d9dde3"


def _style_of(stage: Stage, y: int, text: str) -> Any:
    return next(segment.style for segment in stage.strips()[y] if text in segment.text)


async def test_a_search_from_the_end_finds_the_last_match() -> None:
    view = OutputView()
    stage = OutputStage(view, numbered(0, 100))
    async with stage.run_test(size=(60, 11)) as pilot:
        stage.open()
        view.search("line 00001")
        await settle(pilot)
        line = view.current_line()
        assert line is not None and line.text() == "line 000019"
        view.action_last()
        view.search("line 000095")
        line = view.current_line()
        assert line is not None and line.text() == "line 000095", "it is in view"
        view.action_last()
        view.search("nowhere")
        await settle(pilot)
        beyond = stage.said[-1]
        assert isinstance(beyond, OutputView.SearchBeyond)
        assert beyond.is_backwards


async def test_a_search_walks_the_matches_and_then_asks_beyond() -> None:
    view = OutputView()
    stage = OutputStage(view, numbered(0, 100))
    async with stage.run_test(size=(60, 11)) as pilot:
        stage.open()
        view.focus()
        await pilot.press("g")
        view.search("7")
        await settle(pilot)
        seen = []
        for _ in range(3):
            line = view.current_line()
            assert line is not None
            seen.append(line.text())
            await pilot.press("n")
        assert seen == ["line 000007", "line 000017", "line 000027"]
        assert _style_of(stage, 1 + stage.body().index("  line 000037"), "7").reverse
        await pilot.press("N")
        line = view.current_line()
        assert line is not None and line.text() == "line 000027"
        view.search("nowhere")
        await settle(pilot)
        beyond = stage.said[-1]
        assert isinstance(beyond, OutputView.SearchBeyond)
        assert (beyond.text, beyond.offset) == ("nowhere", 100 * LINE)


async def test_output_that_is_not_kept_is_said_in_the_title() -> None:
    view = OutputView()
    stage = Stage(view)
    async with stage.run_test(size=(80, 5)) as pilot:
        view.open("output, try 1")
        await settle(pilot)
        assert "no output yet" in stage.line(0)
        view.set_problem("disk full: output is not being kept")
        await settle(pilot)
        assert "disk full" in stage.line(0)
        style = _style_of(stage, 0, "disk full")
        assert style.bold


async def test_a_wide_title_draws_the_rate() -> None:
    view = OutputView()
    stage = Stage(view)
    async with stage.run_test(size=(160, 5)) as pilot:
        view.open("output, try 1")
        view.set_rate([0, 5, None, 10])
        await settle(pilot)
        assert "bytes/s ▁▅ █" in stage.line(0)
        await pilot.resize_terminal(80, 5)
        await settle(pilot)
        assert "bytes/s" not in stage.line(0)


async def test_replaced_output_begins_anew() -> None:
    view = OutputView()
    stage = Stage(view)
    async with stage.run_test(size=(60, 5)) as pilot:
        view.open("output")
        view.load(part(0, b"old text\n"))
        view.load(part(0, b"new\n", generation=1))
        await settle(pilot)
        assert stage.line(1) == "  new"
        assert "old" not in stage.text()


@pytest.mark.parametrize("is_wrapped", [False, True])
@pytest.mark.parametrize("name", HOSTILE_NAMES)
async def test_hostile_output_does_no_harm(name: str, is_wrapped: bool) -> None:
    view = OutputView()
    view.is_wrapped = is_wrapped
    stage = Stage(view)
    raw = name.encode("utf-8", "surrogatepass")
    async with stage.run_test(size=(60, 12)) as pilot:
        view.open("output")
        view.load(part(0, b"before\n" + raw + b"\nafter\n"))
        await settle(pilot)
        assert all(strip.cell_length == 60 for strip in stage.strips())
        assert "  after" in stage.text()
        assert "\x1b" not in stage.text()


async def test_selected_text_is_what_is_copied() -> None:
    view = OutputView()
    stage = OutputStage(view, numbered(0, 5))
    async with stage.run_test(size=(60, 11)) as pilot:
        stage.open()
        await settle(pilot)
        await pilot.mouse_down(view, offset=(7, 2))
        await pilot.hover(view, offset=(9, 3))
        await pilot.mouse_up(view, offset=(9, 3))
        await settle(pilot)
        assert stage.screen.get_selected_text() == "000001\nline 000"


async def test_only_matching_lines_are_shown_and_new_ones_join() -> None:
    view = OutputView()
    stage = OutputStage(view, numbered(0, 100))
    async with stage.run_test(size=(80, 11)) as pilot:
        stage.open()
        view.show_only("7")
        await settle(pilot)
        assert stage.body()[-1] == "  line 000097"
        assert view.line_count() == 19
        assert "only '7', following" in stage.line(0)
        stage.grow(numbered(100, 20))
        await settle(pilot)
        assert stage.body()[-1] == "  line 000117"
        view.show_only("nowhere")
        await settle(pilot)
        assert not "".join(stage.text().splitlines()[1:])
        view.show_only("")
        await settle(pilot)
        assert stage.body()[-1] == "  line 000119"


async def test_another_width_keeps_the_line_at_the_top_of_folded_output() -> None:
    view = OutputView()
    long = b"".join(b"%03d " % number + b"x" * 100 + b"\n" for number in range(50))
    stage = OutputStage(view, long)
    async with stage.run_test(size=(60, 11)) as pilot:
        stage.open()
        view.focus()
        await pilot.press("w", "g")
        view._scroll(40)
        await settle(pilot)
        assert stage.body()[0].startswith("  020 xx")
        await pilot.resize_terminal(40, 11)
        await settle(pilot)
        assert stage.body()[0].startswith("  020 xx")
        await pilot.press("G")
        await pilot.resize_terminal(100, 11)
        await settle(pilot)
        assert view.top == view.max_top

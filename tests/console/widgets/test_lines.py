from __future__ import annotations

import pytest

from server.wire.operator import StatsView
from tests.console.views import HOSTILE_NAMES
from tests.console.widgets.stage import Stage, painted_lines, settle
from traffic_tui.state.glyphs import ASCII, DRAWN, Span
from traffic_tui.widgets.crumb import CrumbLine, CrumbState, crumb_spans
from traffic_tui.widgets.facts import Fact, FactsBlock, beside, fact_line
from traffic_tui.widgets.footer import FooterLine, KeyHint, footer_spans
from traffic_tui.widgets.header import HeaderLine, HeaderState, header_spans
from traffic_tui.widgets.message_line import MessageLine
from traffic_tui.widgets.status_line import span_cells

COUNTS = {"pending": 9_104, "in_progress": 200, "claimed": 12, "failed": 30, "expired": 7}
FULL = HeaderState(
    place="prod",
    counts=COUNTS,
    runners={"ok": 290, "quiet": 6, "lost": 4},
    problems=9,
    oldest_ms=240_000,
    done_buckets=(3, 4, None, 0, 8),
    done_last_minute=201,
    operator="sam",
    live=Span("● live", "good"),
    short_time="03:12Z",
    long_time="03:12:44Z",
)
HINTS = [
    KeyHint("enter", "open"),
    KeyHint("l", "output"),
    KeyHint("s", "stop", is_enabled=False),
    KeyHint("?", "help", is_right=True),
]


def text(spans: list[Span]) -> str:
    return "".join(span.text for span in spans)


def test_the_header_at_eighty_cells() -> None:
    assert text(header_spans(FULL, 80, DRAWN)) == (
        " prod  ○ 9,104  ▸ 212  ✗ 37  runners 296/300  oldest 4m          ● live  03:12Z "
    )


def test_the_header_at_a_hundred_and_sixty_cells() -> None:
    shown = text(header_spans(FULL, 160, DRAWN))
    assert shown.startswith(
        " prod  1 all 9,353  2 waiting 9,104  3 running 212  4 failed 30  5 problems 9 "
    )
    assert "runners 296/300   done/min 201 ▄▅ ▁█" in shown
    assert shown.endswith("sam  ● live  03:12:44Z ")
    assert len(shown) == 160


def test_the_header_before_anything_is_known_and_of_an_empty_store() -> None:
    assert text(header_spans(HeaderState(), 80, DRAWN)).strip() == "local"
    empty = HeaderState(counts={"pending": 0}, runners={}, short_time="14:02 +02")
    assert text(header_spans(empty, 80, DRAWN)).split() == (
        "local no jobs no runners 14:02 +02".split()
    )


def test_a_runner_that_ended_by_itself_is_not_missed() -> None:
    counts = {"pending": 1}
    one = HeaderState(counts=counts, runners={"ok": 3, "gone": 2})
    none = HeaderState(counts=counts, runners={"gone": 2})
    assert "runners 3/3" in text(header_spans(one, 80, DRAWN))
    assert "no runners" in text(header_spans(none, 80, DRAWN))


@pytest.mark.parametrize("width", [1, 20, 40, 60, 80, 119, 120, 160, 300])
@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_lines_take_exactly_their_cells(width: int, name: str) -> None:
    live = Span("● live", "good")
    header = HeaderState(place=name, counts=COUNTS, runners={"ok": 1}, operator=name, live=live)
    crumb = CrumbState(path=("Jobs", name), filter=name, aside=name, count=name, order="by JOB ↓")
    hints = [KeyHint(name, name), KeyHint("?", "help", is_right=True)]
    for spans in (
        header_spans(header, width, ASCII),
        crumb_spans(crumb, width),
        footer_spans(hints, width),
    ):
        assert span_cells(spans) == width or width < 60
        assert text(spans).isprintable()


def test_crumbs() -> None:
    jobs = CrumbState(
        path=("Jobs",), filter="queue:gpu", count="37 of 12,480", marked=2, order="by JOB ↓"
    )
    assert text(crumb_spans(jobs, 80)) == (
        " Jobs  queue:gpu                             37 of 12,480  2 marked  by JOB ↓ "
    ).replace("gpu  ", "gpu    ")
    job = CrumbState(path=("Jobs", "52118 x[/nope]"), state=Span("▸ running for 12m40", "active"))
    shown = crumb_spans(job, 80)
    assert text(shown).startswith(" Jobs / 52118 x[/nope]  ")
    assert text(shown).endswith("  ▸ running for 12m40 ")


def test_the_footer_keeps_help_when_others_give_way() -> None:
    assert text(footer_spans(HINTS, 60)).split() == "enter open l output s stop ? help".split()
    assert text(footer_spans(HINTS, 34)).split() == "enter open l output ? help".split()
    roles = {span.text.strip(): span.role for span in footer_spans(HINTS, 60)}
    assert roles["s stop"] == "muted" and roles["enter"] == "title"


async def test_lines_paint_only_when_they_say_something_else() -> None:
    header, crumb, message, footer = HeaderLine(), CrumbLine(), MessageLine(), FooterLine()
    stage = Stage(header, crumb, message, footer)
    async with stage.run_test(size=(80, 24)) as pilot:
        header.show(FULL)
        crumb.show(CrumbState(path=("Jobs",)))
        message.show("x[/nope] \x1b[31mred")
        footer.show(HINTS)
        await settle(pilot)
        assert stage.line(0).startswith(" prod  ○ 9,104")
        assert stage.line(1) == " Jobs"
        assert stage.line(2) == " x[/nope] red"
        assert stage.line(3).endswith("? help")
        header.show(FULL)
        crumb.show(CrumbState(path=("Jobs",)))
        message.show("x[/nope] red")
        footer.show(HINTS)
        assert not any(painted_lines(line) for line in (header, crumb, message, footer))
        crumb.show(CrumbState(path=("Runners",)))
        assert painted_lines(crumb)


async def test_a_message_stands_for_a_while_over_the_note() -> None:
    message = MessageLine()
    stage = Stage(message)
    async with stage.run_test(size=(80, 5)) as pilot:
        message.show("52117 on lab-03: no output for 41m")
        message.say("refused: the job has ended", "bad", until=10.0)
        await settle(pilot)
        assert stage.line(0) == " refused: the job has ended"
        message.tick(9.9)
        assert message.text.startswith("refused")
        message.tick(10.0)
        await settle(pilot)
        assert stage.line(0) == " 52117 on lab-03: no output for 41m"


async def test_facts_paint_the_line_that_changed() -> None:
    facts = FactsBlock()
    stage = Stage(facts)

    def lines(quiet: str) -> list[list[Span]]:
        queue = Fact("queue", (Span("gpu, priority 5"),))
        lease = Fact("lease", (Span("ok, 41s left"), Span(f"  quiet {quiet}", "bad")))
        return [fact_line(queue, 6, 80), fact_line(lease, 6, 80)]

    async with stage.run_test(size=(80, 10)) as pilot:
        facts.show(lines("4s"))
        await settle(pilot)
        assert stage.line(0) == " queue  gpu, priority 5"
        assert facts.size.height == 2
        facts.show(lines("5s"))
        assert painted_lines(facts) == [1]
        await settle(pilot)
        assert facts.text == " queue  gpu, priority 5\n lease  ok, 41s left  quiet 5s"


def test_blocks_stand_side_by_side() -> None:
    left = [[Span("one")], [Span("a long line of text")]]
    right = [[Span("漢字")]]
    lines = [text(line) for line in beside([left, right], [8, 6])]
    assert lines == ["one     │ 漢字  ", "a long …│       "]


def test_stats_fit_the_header() -> None:
    stats = StatsView(
        now=0,
        counts=COUNTS,
        runners={"ok": 1},
        oldest_pending_at=0,
        done_buckets=[None] * 15,
        done_last_minute=0,
        last_seq=0,
        version="",
        started_at=0,
        coordinator="",
        free_bytes=None,
        min_free=0,
    )
    header = HeaderState(counts=stats.counts, done_buckets=tuple(stats.done_buckets))
    assert "done/min 0" in text(header_spans(header, 160, DRAWN))

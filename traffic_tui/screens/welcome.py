"""The first run: nothing is there yet, and these are the ways to begin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import msgspec
from textual.app import SuspendNotSupported

from server.wire.operator import SubmitRequest
from traffic_tui.actions import SCOPE_WORDS
from traffic_tui.lent_terminal import run_in_front
from traffic_tui.local_runner import CAPACITY, LocalRunner
from traffic_tui.screens import welcome_words
from traffic_tui.screens.job_flows import JobFlows
from traffic_tui.screens.table_screen import TableScreen
from traffic_tui.screens.text_dialog import TextDialog
from traffic_tui.state.clean_text import clean
from traffic_tui.state.columns import UNBOUNDED, Cell, Column, PlacedColumn, fit_columns
from traffic_tui.state.glyphs import Span
from traffic_tui.widgets.crumb import CrumbState
from traffic_tui.widgets.facts import FactsBlock
from traffic_tui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.widget import Widget

    from traffic_tui.actions import Hint, Scope
    from traffic_tui.link import Heard
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role

SAMPLE_SECONDS = 30
_COLUMNS = (
    Column("words", "", 0, 32, 32),
    Column("detail", "", 0, 20, UNBOUNDED, grows=True),
)


class Beginning(NamedTuple):
    """One way to begin."""

    id: str
    words: str
    detail: str
    changes: bool = False
    """Whether it changes something at the coordinator."""


BEGINNINGS = (
    Beginning(
        "runner",
        "Start a runner on this box",
        f"{CAPACITY} slots; it ends with this window",
    ),
    Beginning(
        "sample",
        "Start a sample job",
        f"{SAMPLE_SECONDS} seconds, with progress",
        changes=True,
    ),
    Beginning("invite", "Add a runner on another box", "shows the two commands to paste"),
    Beginning("fleet", "Connect a fleet", "Runpack, RRQ, Treadmill or another system's"),
    Beginning("demo", "Watch the demo", "made-up jobs in a throw-away folder"),
)


class BeginningRows:
    """The ways to begin, as rows."""

    def __init__(self, beginnings: Sequence[Beginning]) -> None:
        self.beginnings = {one.id: one for one in beginnings}

    def columns(self, width: int) -> Sequence[PlacedColumn]:
        return fit_columns(_COLUMNS, width)

    def cell(self, key: str, column: PlacedColumn) -> Cell:
        one = self.beginnings[key]
        if column.column.key == "words":
            return Cell(f"   {one.words}")
        return Cell(f"  {one.detail}", "muted")

    def row_role(self, key: str) -> Role:
        return "plain"


class WelcomeScreen(TableScreen):
    """See the module's words."""

    scope: ClassVar[Scope] = "welcome"

    def __init__(self, desk: Desk, about: str = "") -> None:
        super().__init__(desk, about)
        offered = [one for one in BEGINNINGS if not (desk.read_only and one.changes)]
        self._rows = BeginningRows(offered)
        self._flows = JobFlows(desk, self)
        self._intro = FactsBlock(id="intro")
        self._facts = FactsBlock(id="facts")
        self.table = LineTable(self._rows, id="choices")
        self.table.glyphs = desk.context.glyphs

    def body(self) -> Iterable[Widget]:
        yield self._intro
        yield self.table
        yield self._facts

    def on_mount(self) -> None:
        self.table.styles.height = len(self._rows.beginnings) + 2
        self.table.set_order(list(self._rows.beginnings))
        intro, facts = welcome_words.welcome_words(
            self.desk.client.url,
            self.desk.data_folder,
            is_embedded=self.desk.client.is_embedded,
            runners=self._connected,
        )
        self._intro.show([[], *([Span(f"   {line}")] for line in intro)])
        self._facts.show(
            [[Span(f"   {label:<10}", "muted"), Span(words)] for label, words in facts]
        )

    def crumb(self) -> CrumbState:
        return CrumbState(path=(SCOPE_WORDS[self.scope],))

    @property
    def _connected(self) -> int:
        """Runners that are there."""
        stats = self.desk.link.stats
        states = stats.runners if stats is not None else {}
        return sum(number for state, number in states.items() if state not in ("lost", "gone"))

    def heard(self, heard: Heard) -> None:
        """Once there is a runner or a job, the list takes over, unless this was asked for."""
        stats = self.desk.link.stats
        something = stats is not None and (
            any(stats.counts.values()) or any(stats.runners.values())
        )
        if self.is_current and something and not self.place.about:
            self.desk.navigator.leave()

    def _hint_words(self, hint: Hint) -> str:
        return super()._hint_words(hint) if self.place.about else hint.words

    def do_leave(self) -> None:
        """While nothing is there, this is the first screen: leaving it leaves the console."""
        if self.place.about:
            super().do_leave()
        else:
            self.desk.navigator.quit()

    # acts -------------------------------------------------------------------------------------

    def do_open(self) -> None:
        key = self.table.cursor_key
        if key is None:
            return
        works = {
            "runner": self._start_runner,
            "sample": self._start_sample,
            "invite": self._tell_invitation,
            "fleet": self._tell_fleet,
            "demo": self._watch_demo,
        }
        self.act(works[str(key)]())

    def on_line_table_opened(self) -> None:
        self.do_open()

    async def _start_runner(self) -> None:
        if self.desk.local_runner is not None and self.desk.local_runner.is_running:
            self.say("a runner of this window is running already")
            return
        runner = LocalRunner(self.desk.client.url, self.desk.agent_arguments)
        self.desk.local_runner = runner
        try:
            await runner.start()
        except OSError as error:
            self.warn(f"the runner did not start: {error}")
            return
        self.say("the runner starts; it ends with this window")
        code = await runner.ended()
        self.warn(f"the runner ended with {code}: {runner.last_words()}")

    async def _start_sample(self) -> None:
        params = msgspec.json.encode({"seconds": SAMPLE_SECONDS})
        request = SubmitRequest(type="wait", params=msgspec.Raw(params))
        [submitted] = await self.desk.client.submit([request])
        words = "" if self._connected else "; it needs a runner"
        self.say(f"{submitted.number}: submitted{words}")

    async def _tell_invitation(self) -> None:
        lines = welcome_words.invitation(self.desk.client.url)
        await self._tell("A runner on another box", lines)

    async def _tell_fleet(self) -> None:
        lines = welcome_words.fleet_words(self.desk.client.url, self.desk.data_folder)
        await self._tell("A fleet of another system", lines)

    async def _tell(self, title: str, lines: Sequence[str]) -> None:
        await self.ask(TextDialog(title, lines, glyphs=self.desk.context.glyphs))

    async def _watch_demo(self) -> None:
        """The demo is a console of its own; this one waits behind it."""
        try:
            await run_in_front(self.app, (sys.executable, "-m", "traffic_tui", "demo"))
        except SuspendNotSupported:
            self.say("this terminal cannot be lent: run 'traffic-tui demo' in another", "warn")

    def do_start_job(self) -> None:
        self.act(self._flows.start())

    def do_copy(self) -> None:
        self.copy(clean(self.desk.client.url), "the address")

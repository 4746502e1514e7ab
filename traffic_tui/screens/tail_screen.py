"""What the Job and the Output screen share: a view of an attempt's output, and its keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from server.wire.operator import NoticeView
from traffic_tui.client.base import ClientError
from traffic_tui.screens.catch_up import FAILURE_PAUSE_SECONDS, may_pass
from traffic_tui.screens.dialogs import InputDialog
from traffic_tui.screens.job_flows import JobFlows
from traffic_tui.screens.no_output import no_output_words
from traffic_tui.screens.notes import WAITING_SECONDS
from traffic_tui.screens.tail import Tail
from traffic_tui.screens.taking_along import TakingAlong
from traffic_tui.screens.waiting_words import waiting_words
from traffic_tui.state.clean_text import clean
from traffic_tui.state.clock_words import moment_of
from traffic_tui.state.formats import size
from traffic_tui.widgets.output_view import OutputView

if TYPE_CHECKING:
    from textual.widget import Widget

    from server.wire.operator import AttemptView, JobDetailView, JobView
    from traffic_tui.link import Heard
    from traffic_tui.screens.desk import Desk

_PERCENT = re.compile(r"(\d{1,3})%")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")


class TailScreen(TakingAlong):
    """One job, one of its attempts, its output."""

    def __init__(self, desk: Desk, number: int, *, attempt: int = 0, about: str = "") -> None:
        super().__init__(desk, about)
        self.number = number
        self.detail: JobDetailView | None = None
        self.view = OutputView(id="output")
        self.view.glyphs = desk.context.glyphs
        self.view.zone = desk.context.zone
        self.view.name_text, self.view.has_source = f"output of {number}", False
        self._tail = Tail(desk, self.view)
        self._flows = JobFlows(desk, self)
        self._wanted_attempt = attempt
        """0: the newest, also when a newer one begins."""
        self._is_outdated = True
        self._is_loading = False
        self._failed_until = 0.0
        self._why = ""
        """What the job waits for, as it was found out last."""
        self._why_due = 0.0

    # loading ----------------------------------------------------------------------------------

    @property
    def is_behind(self) -> bool:
        return self._is_outdated

    def heard(self, heard: Heard) -> None:
        has_output = False
        for item in heard.items:
            if isinstance(item, NoticeView):
                if item.number != self.number:
                    continue
                has_output = has_output or item.kind == "output"
                self._is_outdated = self._is_outdated or item.kind == "progress"
            elif self.number in item.jobs:
                self._is_outdated = True
        self._is_outdated = self._is_outdated or heard.is_incomplete
        if self.is_current:
            self._catch_up(has_output=has_output)

    def _catch_up(self, *, has_output: bool) -> None:
        if has_output:
            self._follow()
        is_wanted = self._is_outdated and self.desk.clock.monotonic() >= self._failed_until
        if is_wanted and not self._is_loading and self.desk.link.state == "live":
            self._is_loading = True
            self.load(self._load(), group="detail")

    def look_again(self) -> None:
        """Load the job anew: something may have changed of which no event tells."""
        self._is_outdated = True
        self._catch_up(has_output=False)

    def _follow(self) -> None:
        """Several may be asked for at once: the tail makes one of them."""
        self.begin(self._tail.follow(), "follow")

    async def _load(self) -> None:
        try:
            self._is_outdated = False
            self.detail = await self.desk.client.job(str(self.number))
            self.desk.see([self.detail.job])
            self.detail_loaded()
            attempt = self.attempt()
            if attempt is not None:
                await self._tail.open(self.detail.job.id, self.number, attempt)
                await self._tail.follow()
            self._show_no_output()
            self.show_lines()
        except ClientError as error:
            if not may_pass(error):
                raise
            self._is_outdated = True
            self._failed_until = self.desk.clock.monotonic() + FAILURE_PAUSE_SECONDS
            self.say(error.message, "warn")
        finally:
            self._is_loading = False

    def _show_no_output(self) -> None:
        """Words for the place where no output is."""
        if self.detail is not None:
            job, context = self.detail.job, self.desk.context
            words = no_output_words(job, self.attempt(), job.can, context, self._why)
            self.view.set_empty(words + self.way_to_output())

    def way_to_output(self) -> str:
        """Where output is to be found that is not here, in words."""
        return ""

    def _look_why_it_waits(self) -> None:
        """No event tells that the reason is another one, so it is asked for while it is shown."""
        detail, now = self.detail, self.desk.clock.monotonic()
        if detail is None or detail.attempts or detail.job.state != "pending":
            return
        if self.is_current and self.desk.link.state == "live" and now >= self._why_due:
            self._why_due = now + WAITING_SECONDS
            self.load(self._explain_waiting(detail.job), group="why")

    async def _explain_waiting(self, job: JobView) -> None:
        self._why = waiting_words(job.type, await self.desk.client.explain(job.id))
        self._show_no_output()

    def detail_loaded(self) -> None:
        """The job was loaded anew."""

    def attempt(self) -> AttemptView | None:
        """The attempt that is shown."""
        if self.detail is None or not self.detail.attempts:
            return None
        tries = self.detail.attempts
        return next((one for one in tries if one.number == self._wanted_attempt), tries[0])

    def main_widget(self) -> Widget | None:
        return self.view

    def missing(self) -> str:
        return "" if self.detail is not None else "the job is not loaded yet"

    def tick(self) -> None:
        self._tail.tick()
        self._look_why_it_waits()
        super().tick()

    def on_screen_resume(self) -> None:
        self._is_outdated = True

    def zone_changed(self) -> None:
        self.view.zone = self.desk.context.zone
        self.view.drop_strips()
        self.view.refresh()
        self.detail_loaded()
        self.show_lines()

    # what the view asks for -------------------------------------------------------------------

    def on_output_view_wanted(self, event: OutputView.Wanted) -> None:
        self.load(self._tail.fetch(event.ranges), group="ranges")

    def on_output_view_state_changed(self, event: OutputView.StateChanged) -> None:
        if self.view.output.is_following:
            self._follow()

    def on_output_view_search_beyond(self, event: OutputView.SearchBeyond) -> None:
        self.load(self._search_beyond(event), group="search")

    async def _search_beyond(self, event: OutputView.SearchBeyond) -> None:
        self.say(f"searching for {clean(event.text, 60)}; esc ends it")
        is_found = await self._tail.search_beyond(
            event.text, event.stream, event.offset, is_backwards=event.is_backwards
        )
        if not is_found:
            where = "before" if event.is_backwards else "after"
            self.say(f"{clean(event.text, 60)}: nothing more {where} this place", "warn")
        else:
            self._message.hush()

    # keys: moving -----------------------------------------------------------------------------

    def do_down(self) -> None:
        self.view.action_move(1)

    def do_up(self) -> None:
        self.view.action_move(-1)

    def do_top(self) -> None:
        self.view.action_first()

    def do_bottom(self) -> None:
        self.view.action_last()

    def do_half_down(self) -> None:
        self.view.action_move(max(1, self.view.body_height // 2))

    def do_half_up(self) -> None:
        self.view.action_move(-max(1, self.view.body_height // 2))

    def do_left(self) -> None:
        self.view.action_aside(-1)

    def do_right(self) -> None:
        self.view.action_aside(1)

    def do_follow(self) -> None:
        if self.attempt() is None:
            self.say("no try was made yet")
            return
        self.view.action_follow()
        self.say("following the end" if self.view.output.is_following else "holding still")

    def do_wrap(self) -> None:
        self.view.action_wrap()
        self.say(f"long lines are {'wrapped' if self.view.is_wrapped else 'cut'}")

    def do_times(self) -> None:
        self.view.action_times()
        self.say(f"times of arrival are {'shown' if self.view.has_times else 'hidden'}")

    def do_colours(self) -> None:
        self.view.action_colours()
        self.say(f"the job's own colours are {'shown' if self.view.has_colours else 'left out'}")

    def do_mark_line(self) -> None:
        self.view.action_mark()

    def do_only(self) -> None:
        self.act(self._ask_only())

    async def _ask_only(self) -> None:
        glyphs = self.desk.context.glyphs
        title = "Only lines that hold"
        text = await self.ask(InputDialog(title, (), self.view.only_text, glyphs=glyphs))
        if text is not None:
            self.view.show_only(text)

    # keys: finding ----------------------------------------------------------------------------

    def do_search(self) -> None:
        self.act(self._ask_search())

    async def _ask_search(self) -> None:
        glyphs = self.desk.context.glyphs
        dialog = InputDialog("Search the output", (), self.view.search_text, glyphs=glyphs)
        text = await self.ask(dialog)
        if text is not None:
            self.view.search(text)

    def do_next_match(self) -> None:
        self._next(1)

    def do_previous_match(self) -> None:
        self._next(-1)

    def _next(self, direction: int) -> None:
        if self.view.search_text:
            self.view.action_next_hit(direction)
        else:
            self.do_search()

    def do_place(self, argument: str) -> None:
        if share := _PERCENT.fullmatch(argument):
            self.view.go_to_share(int(share[1]) / 100)
        elif argument.isdecimal():
            self._go_to_byte(int(argument))
        elif _CLOCK.fullmatch(argument):
            self._go_to_time(argument)
        else:
            self.say(f"{argument}: a share like 50%, a time like 14:05 or a byte is wanted", "warn")

    def _go_to_byte(self, offset: int) -> None:
        window = self.view.output.main_window()
        if window is None or offset >= window.size:
            there = size(window.size) if window is not None else "no output"
            self.say(f"there is no byte {offset:,}, there is {there}", "warn")
        else:
            self.view.go_to_offset(offset, window.stream)

    def _go_to_time(self, text: str) -> None:
        attempt = self.attempt()
        if attempt is None:
            self.say("no try was made yet")
            return
        context = self.desk.context
        began, ended = attempt.offered_at, attempt.ended_at or context.now
        moment = moment_of(text, context.zone, began, ended)
        if moment is None:
            self.say(f"{text} is no time of day", "warn")
        else:
            self.load(self._show_time(text, moment), group="search")

    async def _show_time(self, text: str, moment: int) -> None:
        if not await self._tail.go_to_time(moment):
            self.say(f"nothing was written at {text} or later: this is the end", "plain")

    def do_back(self) -> None:
        if self.view.only_text:
            self.view.show_only("")
        elif self.view.search_text:
            self.workers.cancel_group(self, "search")
            self._message.hush()
            self.view.search("")
        else:
            super().do_back()

    # keys: attempts and streams ---------------------------------------------------------------

    def do_previous_attempt(self) -> None:
        self._switch(-1)

    def do_next_attempt(self) -> None:
        self._switch(1)

    def _switch(self, step: int) -> None:
        shown = self.attempt()
        if shown is None or self.detail is None:
            self.say("no try was made yet")
            return
        numbers = sorted(one.number for one in self.detail.attempts)
        place = numbers.index(shown.number) + step
        if not 0 <= place < len(numbers):
            self.say(f"try {shown.number} is the {'first' if step < 0 else 'newest'}")
            return
        is_newest = place == len(numbers) - 1
        self._wanted_attempt = 0 if is_newest else numbers[place]
        self._is_outdated = True

    def do_stream(self) -> None:
        self.load(self._next_stream(), group="stream")

    async def _next_stream(self) -> None:
        self.say(await self._tail.next_stream())

    # keys: acting on the job ------------------------------------------------------------------

    def do_stop(self) -> None:
        if self.detail is not None:
            self.act(self._flows.stop([self.detail.job]))

    def do_reassign(self) -> None:
        if self.detail is not None:
            self.act(self._flows.reassign([self.detail.job]))

    def do_resubmit(self) -> None:
        if self.detail is not None:
            self.act(self._flows.resubmit([self.detail.job]))

    def do_edit(self) -> None:
        if self.detail is not None:
            self.act(self._flows.edit(self.detail.job))

    def do_explain(self) -> None:
        if self.detail is not None:
            self.act(self._flows.explain(self.detail.job))

    def do_priority(self, argument: str) -> None:
        if self.detail is not None and (priority := self._flows.priority_of(argument)) is not None:
            self.act(self._flows.set_priority([self.detail.job], priority))

    def do_events(self) -> None:
        self.desk.navigator.show_events(self.number)

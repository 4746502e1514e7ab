"""From a key to the coordinator and back, for jobs: ask, act, tell.

The same flows serve one job, all marked ones, and all a runner holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from server.model import FINAL_STATES
from server.wire.operator import ReassignRequest, ResubmitRequest, StopRequest
from traffic_tui.actions import TYPED_ABOVE
from traffic_tui.screens import wording
from traffic_tui.screens.bulk import Outcomes, act_on_each
from traffic_tui.screens.commands import whole_number
from traffic_tui.screens.dialogs import Answer, QuestionDialog, TypedDialog
from traffic_tui.screens.explaining import explanation
from traffic_tui.screens.form_dialogs import EditDialog, StartDialog
from traffic_tui.screens.pick_dialog import PickDialog
from traffic_tui.screens.text_dialog import TextDialog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from server.wire.operator import JobView, OneJobView
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role
    from traffic_tui.widgets.dialog import DialogScreen

GRACE_SECONDS = 10.0
"""Between asking a job to stop and killing it."""

T = TypeVar("T")


class Operator(Protocol):
    """Who is asked and told: the screen on which the key was pressed."""

    async def ask(self, dialog: DialogScreen[T]) -> T | None: ...

    def say(self, words: str, role: Role = "plain") -> None:
        """On the message line."""
        ...

    def warn(self, words: str) -> None:
        """As a toast: something was refused or failed."""
        ...


class JobFlows:
    """What can be done to jobs."""

    def __init__(self, desk: Desk, operator: Operator) -> None:
        self._desk = desk
        self._client = desk.client
        self._operator = operator
        self._glyphs = desk.context.glyphs

    async def stop(self, jobs: Sequence[JobView]) -> None:
        """Ask how, then stop each."""
        if self._all_ended(jobs, "nothing to stop"):
            return
        can = await self._ability(jobs)
        answer = await self._confirm(wording.stop_question(jobs, can, self._desk.context.now), jobs)
        if answer is None:
            return
        request = StopRequest(
            grace_seconds=GRACE_SECONDS,
            now=answer.value == "kill",
            abandon=answer.value == "abandon",
            reason=answer.reason,
        )
        verbs = {"kill": "kill asked for", "abandon": "given up"}
        verb = verbs.get(answer.value, "stop asked for")
        await self._each(jobs, lambda job: self._client.stop(job.id, request), verb)

    async def resubmit(self, jobs: Sequence[JobView], *, chosen_by: str = "") -> None:
        """Run each again as a new job; ``chosen_by``: the filter that gave them, to be shown."""
        question = wording.resubmit_question(jobs, self._desk.context.now)
        if chosen_by:
            question = question._replace(facts=(f"filter {chosen_by}", *question.facts))
        answer = await self._confirm(question, jobs)
        if answer is None:
            return
        request = ResubmitRequest(reason=answer.reason)
        outcomes = await self._each(
            jobs, lambda job: self._client.resubmit(job.id, request), "resubmitted"
        )
        self._tell_new_number(outcomes, jobs)

    async def edit(self, job: JobView) -> None:
        """Change the parameters, then run it as a new job."""
        detail = await self._client.job(job.id)
        text = msgspec.json.format(msgspec.json.encode(detail.job.params), indent=2).decode()
        answer = await self._operator.ask(
            EditDialog(f"Resubmit {wording.named([job])}", text, glyphs=self._glyphs)
        )
        if answer is None:
            return
        request = ResubmitRequest(params=msgspec.Raw(answer.value.encode()), reason=answer.reason)
        outcomes = await self._each(
            [job], lambda one: self._client.resubmit(one.id, request), "resubmitted"
        )
        self._tell_new_number(outcomes, [job])

    async def reassign(self, jobs: Sequence[JobView]) -> None:
        """Pick a runner or a queue, then move each there."""
        if self._all_ended(jobs, "nothing to move; r runs it again"):
            return
        explained = await self._client.explain(jobs[0].id)
        queues = await self._client.queues()
        options = wording.targets(jobs, explained.reasons, queues.queues)
        title = f"Reassign {wording.named(jobs)} to"
        facts = wording.job_facts(jobs, self._desk.context.now)
        answer = await self._operator.ask(PickDialog(title, facts, options, glyphs=self._glyphs))
        if answer is None or not await self._typed(jobs):
            return
        kind, _, name = answer.value.partition(":")
        request = ReassignRequest(
            queue=name if kind == "queue" else None,
            runner=name if kind == "runner" else None,
            grace_seconds=GRACE_SECONDS,
            reason=answer.reason,
        )
        verb = f"moved to {answer.words}"
        await self._each(jobs, lambda job: self._client.reassign(job.id, request), verb)

    def priority_of(self, argument: str) -> int | None:
        """The priority that was typed; None: it is none, which is told."""
        priority = whole_number(argument)
        if priority is None:
            self._operator.say(f"a priority is a whole number, not {argument!r}", "warn")
        return priority

    async def set_priority(self, jobs: Sequence[JobView], priority: int) -> None:
        """Give each a priority."""
        if not await self._typed(jobs):
            return
        await self._each(
            jobs, lambda job: self._client.set_priority(job.id, priority), f"priority {priority}"
        )

    async def explain(self, job: JobView) -> None:
        """Say why a job is where it is; runner by runner while it waits."""
        explained = await self._client.explain(job.id)
        detail = await self._client.job(job.id)
        context = self._desk.context
        title = wording.explanation_title(detail.job, context.now)
        lines = explanation(explained, detail, context)
        await self._operator.ask(TextDialog(title, lines, glyphs=self._glyphs))

    async def start(self) -> None:
        """Start a job of a type the operator names."""
        view = await self._client.runners()
        types = sorted({name for runner in view.runners for name in runner.types})
        request = await self._operator.ask(
            StartDialog([t for t in types if "*" not in t], glyphs=self._glyphs)
        )
        if request is None:
            return
        submitted = await self._client.submit([request])
        self._operator.say(f"{submitted[0].number}: submitted as {submitted[0].state}")

    def _all_ended(self, jobs: Sequence[JobView], words: str) -> bool:
        if any(job.state not in FINAL_STATES for job in jobs):
            return False
        now = self._desk.context.now
        what = wording.state_words(jobs[0], now) if len(jobs) == 1 else "all have ended"
        self._operator.say(f"{wording.named(jobs)}: {what}, {words}", "warn")
        return True

    async def _ability(self, jobs: Sequence[JobView]) -> str | None:
        """What the one job's runner can do; None where it does not matter or is not known."""
        if len(jobs) != 1 or jobs[0].runner is None:
            return None
        detail = await self._client.job(jobs[0].id)
        return detail.job.can if detail.job.runner is not None else None

    async def _confirm(self, question: wording.Question, jobs: Sequence[JobView]) -> Answer | None:
        answer = await self._operator.ask(QuestionDialog(question, glyphs=self._glyphs))
        return answer if answer is not None and await self._typed(jobs) else None

    async def _typed(self, jobs: Sequence[JobView]) -> bool:
        """Many jobs at once: their number has to be typed."""
        if len(jobs) <= TYPED_ABOVE:
            return True
        facts = wording.job_facts(jobs, self._desk.context.now)
        dialog = TypedDialog(wording.named(jobs), facts, len(jobs), glyphs=self._glyphs)
        return await self._operator.ask(dialog) is True

    async def _each(
        self,
        jobs: Sequence[JobView],
        call: Callable[[JobView], Awaitable[OneJobView]],
        verb: str,
    ) -> Outcomes:
        def tell(done: int, total: int) -> None:
            if total > 1:
                self._operator.say(f"{verb}: {done} of {total}")

        outcomes = await act_on_each(jobs, call, verb=verb, tell=tell)
        words = outcomes.summary()
        self._operator.say(words, "plain" if outcomes.is_clean else "warn")
        if not outcomes.is_clean or outcomes.warnings:
            self._operator.warn(words)
        return outcomes

    def _tell_new_number(self, outcomes: Outcomes, jobs: Sequence[JobView]) -> None:
        if len(jobs) == 1 and outcomes.done:
            number = outcomes.done[0].job.number
            self._operator.say(f"{jobs[0].number}: runs again as {number}")

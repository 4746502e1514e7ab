"""Every act of an operator: what the coordinator was asked, and what the screen says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.wire.operator import (
    ErrorView,
    RunnerLogLine,
    RunnerRef,
    SubmitRequest,
    VerdictView,
)
from tests.console.screens.seeing import console, lab
from tests.console.screens.world import NOW, attempt, job, runner
from traffic_tui.screens.wording import CANNOT_STOP, stop_question
from traffic_tui.widgets.dialog import ChoiceDialog

if TYPE_CHECKING:
    from tests.console.screens.world import World


def verdict(name: str, kind: Any, detail: str = "") -> VerdictView:
    return VerdictView(runner=RunnerRef(id=f"id-{name}", name=name), verdict=kind, detail=detail)


def on_running() -> World:
    """A world whose only job runs."""
    world = lab()
    world.all_jobs = {52118: world.all_jobs[52118]}
    return world


async def test_stop_asks_first_and_then_asks_the_job() -> None:
    async with console(on_running()) as seat:
        await seat.press("s")
        await seat.dialog("Stop job 52118 resize-images?", "running on lab-07", "61% done")
        assert seat.world.asked("stop") == []
        await seat.press("y")
        [(_, number, request)] = await seat.asks("stop")
        assert number == 52118
        assert (request.now, request.abandon, request.grace_seconds) == (False, False, 10.0)
        await seat.sees("52118: stop asked for")


async def test_stop_can_kill_and_carry_a_reason() -> None:
    async with console(on_running()) as seat:
        await seat.press("s")
        await seat.dialog("k  kill now")
        await seat.press("tab")
        await seat.type("bad deploy")
        await seat.press("enter", "k")
        [(_, _, request)] = await seat.asks("stop")
        assert request.now
        assert request.reason == "bad deploy"
        await seat.sees("52118: kill asked for")


@pytest.mark.parametrize("is_ascii", [False, True])
async def test_a_reason_stands_inside_the_box(is_ascii: bool) -> None:
    async with console(on_running(), ascii_only=is_ascii) as seat:
        await seat.press("s")
        await seat.dialog("Stop job")
        await seat.press("tab")
        await seat.type("bad deploy")
        lines = [line[3:] for line in seat.text.splitlines()]
        at = next(y for y, line in enumerate(lines) if "bad deploy" in line)
        edge, corner = ("|", "+") if is_ascii else ("│", "└")
        assert lines[at].startswith(f"{edge} bad deploy") and lines[at].endswith(edge)
        assert lines[at - 1].startswith(f"{edge} tab")
        assert lines[at + 1].startswith(corner)


@pytest.mark.parametrize("key", ["escape", "enter", "z"])
async def test_a_dialog_is_left_without_an_act(key: str) -> None:
    async with console(on_running()) as seat:
        await seat.press("s")
        await seat.dialog("leave it alone")
        await seat.press(key, "escape")
        await seat.pilot.pause()
        assert seat.world.asked("stop") == []


async def test_nothing_is_done_on_a_screen_that_is_too_small_to_be_drawn() -> None:
    async with console(on_running()) as seat:
        await seat.pilot.resize_terminal(50, 12)
        await seat.pilot.pause()
        below = list(seat.app.screen_stack)
        await seat.press("s", "y")
        await seat.pilot.pause()
        assert seat.app.screen_stack == below
        await seat.pilot.resize_terminal(80, 24)
        await seat.press("s")
        await seat.dialog("Stop job 52118")


async def test_keys_on_their_way_when_a_dialog_opens_are_no_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    defaults = ChoiceDialog.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "late_keys_seconds", 60.0)  # all that come now are late
    async with console(on_running()) as seat:
        await seat.press("s")
        await seat.sees("Stop job 52118")
        await seat.press("y", "y", "k", "enter", "escape")
        await seat.sees("Stop job 52118")
        assert seat.world.asked("stop") == []


async def test_giving_up_is_offered_only_where_stopping_cannot_work() -> None:
    world = on_running()
    async with console(world) as seat:
        await seat.press("s")
        await seat.dialog("Stop job")
        assert "give up" not in seat.text
    world.all_jobs[52118].can = ".o.r"
    async with console(world) as seat:
        await seat.press("s")
        await seat.dialog("this runner cannot be stopped", "the process may run on", "x  give up")
        assert "y  ask" not in seat.text
        await seat.press("x")
        [(_, _, request)] = await seat.asks("stop")
        assert request.abandon


def test_a_job_that_waits_again_can_be_stopped_whatever_its_last_runner_can() -> None:
    question = stop_question([job(52118, "pending", attempts=1)], ".o.r", NOW)
    assert not set(CANNOT_STOP) & set(question.facts)
    assert [choice.key for choice in question.choices] == ["y"]


async def test_a_refusal_is_told_in_the_coordinators_words() -> None:
    world = on_running()
    world.refusals[52118] = "job 52118 has already ended"
    async with console(world) as seat:
        await seat.press("s")
        await seat.dialog("Stop job")
        await seat.press("y")
        await seat.sees("stop asked for: 0, refused: 1 (job 52118 has already ended)")
        await seat.until(lambda: [n.severity for n in seat.app._notifications] == ["error"])


async def test_a_warning_is_told() -> None:
    world = on_running()
    world.warnings = {52118: "the work may run on"}
    async with console(world) as seat:
        await seat.press("s")
        await seat.dialog("Stop job")
        await seat.press("y")
        await seat.sees("52118: stop asked for; the work may run on")


async def test_what_has_ended_cannot_be_stopped_or_moved() -> None:
    world = lab()
    world.all_jobs = {52090: world.all_jobs[52090]}
    async with console(world) as seat:
        await seat.press("s")
        await seat.sees("nothing to stop")
        await seat.press("a")
        await seat.sees("r runs it again")


async def test_resubmit_tells_the_new_number() -> None:
    async with console(on_running()) as seat:
        await seat.press("r")
        await seat.dialog("Resubmit job 52118", "it has not ended: both will run")
        await seat.press("y")
        await seat.asks("resubmit")
        await seat.sees("52118: runs again as 60001")


async def test_edit_judges_the_parameters_while_they_are_typed() -> None:
    async with console(on_running()) as seat:
        await seat.press("R")
        await seat.dialog('"size": 2048', "good JSON")
        await seat.press("x")
        await seat.sees("not JSON")
        await seat.press("ctrl+r")
        assert seat.world.asked("resubmit") == []
        await seat.press("backspace", "ctrl+r")
        [(_, number, request)] = await seat.asks("resubmit")
        assert number == 52118
        assert bytes(request.params).startswith(b"{")


async def test_reassign_says_who_can_and_why_others_cannot() -> None:
    world = on_running()
    world.add_runners(runner("lab-02"))
    world.verdicts = [
        verdict("lab-19", "draining", "by sam"),
        verdict("lab-02", "eligible"),
        verdict("lab-07", "slot", "4 of 4 busy"),
    ]
    async with console(world) as seat:
        await seat.press("a")
        await seat.dialog("Reassign job 52118", "draining: by sam", "queue cpu", "has it now")
        lines = seat.text.splitlines()
        places = {
            name: next(i for i, line in enumerate(lines) if f" {name} " in line)
            for name in ("lab-02", "lab-19")
        }
        assert places["lab-02"] < places["lab-19"]
        await seat.press("enter")
        [(_, number, request)] = await seat.asks("reassign")
        assert (number, request.runner, request.queue) == (52118, "id-lab-02", None)
        await seat.sees("52118: moved to lab-02")


async def test_reassign_to_a_queue_found_by_typing() -> None:
    world = on_running()
    world.verdicts = [verdict("lab-02", "eligible")]
    async with console(world) as seat:
        await seat.press("a")
        await seat.dialog("Reassign")
        await seat.type("queue")
        await seat.press("enter")
        [(_, _, request)] = await seat.asks("reassign")
        assert (request.runner, request.queue) == (None, "cpu")


async def test_why_says_it_runner_by_runner() -> None:
    world = lab()
    world.summary = "no runner has a free slot"
    world.suggestion = "add a runner with gpu=a100"
    world.verdicts = [verdict("lab-07", "slot", "4 of 4 busy"), verdict("lab-03", "label", "gpu")]
    async with console(world) as seat:
        await seat.press("e")
        await seat.dialog(
            "Why job 52131", "no runner has a free slot", "add a runner", "no free slot: 4 of 4"
        )
        await seat.press("escape")
        await seat.until(lambda: len(seat.app.screen_stack) == 1)


async def test_marked_jobs_are_acted_on_together_and_each_outcome_is_told() -> None:
    world = lab()
    world.refusals[52118] = "not now"
    async with console(world) as seat:
        await seat.press("j", "space", "space", "s")
        await seat.dialog("Stop 2 jobs?", "2 resize-images", "1 claimed", "1 running")
        await seat.press("y")
        await seat.asks("stop", 1)
        await seat.sees("stop asked for: 1", "refused: 1", "52118 not now")


async def test_a_warning_about_some_of_many_jobs_names_them() -> None:
    world = lab()
    world.warnings = {52127: "the work may run on"}
    async with console(world, (160, 50)) as seat:
        await seat.press("j", "space", "space", "s")
        await seat.dialog("Stop 2 jobs?")
        await seat.press("y")
        await seat.sees("stop asked for: 2; 52127: the work may run on")


async def test_many_jobs_want_their_number_typed() -> None:
    world = lab()
    world.add(*(job(number) for number in range(100, 130)))
    async with console(world) as seat:
        await seat.press("*")
        await seat.sees("37 marked")
        await seat.press("r")
        await seat.dialog("Resubmit 37 jobs?")
        await seat.press("y")
        await seat.dialog("Really 37 jobs?", "type 37")
        await seat.press("3", "6", "enter")
        assert seat.world.asked("resubmit") == []
        await seat.press("backspace", "7", "enter")
        await seat.asks("resubmit", 37)
        await seat.sees("resubmitted: 37")


async def test_a_priority_is_typed() -> None:
    async with console(on_running()) as seat:
        await seat.press(":")
        await seat.type("priority")
        await seat.press("space", "7", "enter")
        [(_, number, priority)] = await seat.asks("set_priority")
        assert (number, priority) == (52118, 7)
        await seat.press(":")
        await seat.type("priority")
        await seat.press("space", "x", "enter")
        await seat.sees("a priority is a whole number")


async def test_a_job_is_started() -> None:
    async with console(lab()) as seat:
        await seat.press("+")
        await seat.dialog("Start a job", "which type?")
        await seat.type("noop")
        await seat.press("enter")
        [(_, [request])] = await seat.asks("submit")
        assert isinstance(request, SubmitRequest)
        assert (request.type, request.queue, bytes(request.params)) == ("noop", "default", b"{}")
        await seat.sees("60001: submitted as pending")


async def go(seat: Any, command: str) -> None:
    await seat.press(":")
    await seat.type(command)
    await seat.press("enter")


async def test_a_runner_is_drained_and_resumed() -> None:
    async with console(lab()) as seat:
        await go(seat, "runners")
        await seat.sees("lab-07")
        await seat.press("G", "d")
        await seat.dialog("Drain lab-07?", "holds 1 job")
        await seat.press("d")
        [(_, name, request)] = await seat.asks("drain")
        assert (name, request.deadline_seconds, request.move) == ("id-lab-07", 1800.0, False)
        await seat.sees("lab-07: draining")
        await seat.press("d")
        await seat.dialog("Let lab-07 work again?")
        await seat.press("y")
        await seat.asks("resume_runner")
        await seat.sees("lab-07: takes jobs again")


async def test_a_runner_is_forgotten() -> None:
    async with console(lab()) as seat:
        await go(seat, "runners")
        await seat.sees("lab-31")
        await seat.press("delete")
        await seat.dialog("Forget lab-31?")
        await seat.press("y")
        assert await seat.asks("forget") == [("forget", "id-lab-31")]
        await seat.until(lambda: "✗ lost" not in seat.text)


async def test_a_runner_that_ended_by_itself_is_no_trouble() -> None:
    world = lab()
    world.add_runners(runner("lab-40", state="gone", busy=0, last_seen_at=NOW - 240_000))
    async with console(world) as seat:
        await go(seat, "runners")
        await seat.sees("lab-40", "runners 3/4")
        await seat.press("G")
        await seat.sees("lab-40: it ended by itself 4m00 ago; nothing can be given to it")
        await seat.press("z")
        await seat.until(lambda: "lab-40" not in seat.text)
        assert "lab-31" in seat.text


async def test_a_runners_jobs_are_listed_stopped_and_moved() -> None:
    async with console(lab()) as seat:
        await go(seat, "runners")
        await seat.sees("lab-07")
        await seat.press("G", "s")
        await seat.dialog("Stop 3 jobs?")
        await seat.press("y")
        await seat.asks("stop", 3)
        await seat.press("a")
        await seat.dialog("Reassign 3 jobs to")
        await seat.press("escape", "enter")
        await seat.sees("runner:lab-07", "52118")
        await seat.press("q")
        await seat.sees("Runners")


async def test_why_of_a_runner_tells_what_is_known() -> None:
    async with console(lab()) as seat:
        await go(seat, "runners")
        await seat.sees("lab-31")
        await seat.press("e")
        await seat.dialog("lab-31 is lost", "not heard for", "rack=r12")


async def test_what_a_runner_printed_is_shown_and_harmless() -> None:
    client = lab()
    client.runner_log = [
        RunnerLogLine(NOW, "stderr", "\x1b[2JTraceback [bold]here[/]"),
        RunnerLogLine(NOW, "coordinator", "started as process 41"),
    ]
    async with console(client) as seat:
        await go(seat, "runners")
        await seat.sees("lab-31")
        await seat.press("e")
        await seat.dialog("printed lately", "Traceback [bold]here[/]", "started as process 41")


async def test_a_queue_is_paused_opened_and_limited() -> None:
    async with console(lab()) as seat:
        await go(seat, "queues")
        await seat.sees("cpu")
        await seat.press("p")
        await seat.asks("pause_queue")
        await seat.sees("paused: what runs goes on")
        await seat.press("p")
        await seat.asks("resume_queue")
        await seat.press("L")
        await seat.dialog("Limit of cpu")
        await seat.press(*["backspace"] * 4, "5", "enter")
        assert await seat.asks("limit_queue") == [("limit_queue", "cpu", 5)]
        await go(seat, "limit 0")
        await seat.sees("p pauses a queue")


async def test_a_schedule_is_paused_and_resumed_and_leads_to_its_jobs() -> None:
    async with console(lab()) as seat:
        await go(seat, "schedules")
        await seat.sees("nightly", "every-minute: */10 * * * * * UTC")
        await seat.press("p")
        assert await seat.asks("pause_schedule") == [("pause_schedule", "every-minute")]
        await seat.sees("paused: it makes no more jobs")
        await seat.press("p")
        await seat.asks("resume_schedule")
        await seat.press("z")
        await seat.sees("only problems", "first-of-month")
        await seat.press("escape", "j", "enter")
        await seat.sees("Jobs  schedule:")


async def test_a_schedule_says_when_it_is_due() -> None:
    async with console(lab()) as seat:
        await go(seat, "schedules")
        await seat.sees("nightly")
        await seat.press("e")
        await seat.dialog("When every-minute?", "23:13:20  in 1h00", "the run is left out")
        await seat.press("escape")
        await seat.press("G", "e")
        await seat.dialog("When first-of-month?", "audit [red]", "would be due")


async def test_schedules_are_only_looked_at_with_a_read_only_key() -> None:
    async with console(lab(), read_only=True) as seat:
        await go(seat, "schedules")
        await seat.sees("nightly")
        await seat.press("p")
        await seat.settle()
        assert seat.world.asked("pause_schedule") == []


async def test_acts_on_the_job_screen() -> None:
    async with console(on_running()) as seat:
        await seat.press("enter")
        await seat.sees("lease ok")
        for key, title in (("s", "Stop job"), ("r", "Resubmit job"), ("a", "Reassign job")):
            await seat.press(key)
            await seat.dialog(title)
            await seat.press("escape")


async def test_why_of_a_running_job_tells_where_it_runs_not_who_else_could() -> None:
    world = lab()
    world.verdicts = [verdict("lab-07", "slot", "4 of 4 busy")]
    async with console(world) as seat:
        await seat.press("j", "j", "e")
        await seat.dialog("Why job 52118", "running on lab-07", "last word", "lease")
        assert "no free slot" not in seat.text


async def test_why_of_an_ended_job_tells_its_end() -> None:
    async with console(lab()) as seat:
        await seat.press("G", "k", "e")
        await seat.dialog("How job 52090", "failed", "tries were made", "the last on lab-07")


async def test_why_of_a_stopped_job_says_who_asked_for_it_and_when_it_ended() -> None:
    world = lab()
    never_ran = job(52140, "stopped", runner=None, attempt=None, attempts=0)
    never_ran.times.ended = 0
    world.add(never_ran, job(52139, "stopped"))
    world.happen("stopped", 52140, actor="sam")
    world.happen("stop_requested", 52139, actor="kim", reason="bad deploy")
    world.happen("stopped", 52139, actor="lab-07", reason="the job was cancelled")
    async with console(world) as seat:
        await seat.press("e")
        await seat.dialog("How job 52140", "stopped 12m40 ago, at 22:00:40", "by sam")
        await seat.press("escape", "j", "e")
        await seat.dialog("How job 52139", 'by kim: "bad deploy"')


async def test_a_long_reason_is_folded_not_cut() -> None:
    world = lab()
    message = "the expression '584 / (y - y)' cannot be evaluated, for " + "it divides by zero " * 4
    world.all_jobs[52090].error = ErrorView(kind="error", message=f"{message}in the end")
    async with console(world) as seat:
        await seat.press("G", "k", "e")
        await seat.dialog("│ the expression '584", "  end")
        box = [line for line in seat.text.splitlines() if "│" in line]
        assert len({line.rindex("│") for line in box}) == 1


async def test_the_job_screen_tells_the_whole_reason_before_what_was_around_it() -> None:
    """A process that failed has many facts: the one that says why is never the one left out."""
    world = lab()
    one = world.all_jobs[52090]
    one.error = ErrorView(kind="error", message="the tile has no alpha, " * 6 + "in the end")
    tried = attempt(
        1, one, isolation="isolated: user, pid; memory 64 MiB by cgroup v1; pids 100 by cgroup v1"
    )
    world.attempts[52090] = [tried]
    sizes: list[tuple[int, int]] = [(80, 24), (160, 50), (160, 24)]
    for size in sizes:
        async with console(world, size) as seat:
            await seat.press("G", "k", "enter")
            await seat.sees("why     the tile has no alpha", "has no alpha, the")
            assert ("in the end" in seat.text) == (size == sizes[1])


async def test_without_colour_a_question_leaves_what_it_is_about_in_sight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with console(lab()) as seat:
        assert seat.app.ansi_color
        await seat.press("j", "j", "s")
        await seat.dialog("Stop job 52118")
        assert seat.app.screen.styles.background.a == 0

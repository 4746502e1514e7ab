"""Jobs by cause: what it shows, and what can be done to a group."""

from __future__ import annotations

from server.wire.operator import ErrorView, NoticeView
from tests.console.screens.seeing import console
from tests.console.screens.test_goldens import bad_deploy
from tests.console.screens.world import World
from traffic_tui.screens.groups import GroupsScreen
from traffic_tui.screens.jobs import JobsScreen


async def test_it_counts_the_jobs_of_the_list_and_esc_goes_back_to_it() -> None:
    async with console(bad_deploy()) as seat:
        await seat.press("4")
        await seat.sees("state:failed")
        await seat.press("b")
        await seat.sees("Jobs by error", "state:failed", "56 jobs in 3 groups")
        assert set(seat.world.asked("job_groups")) == {
            ("job_groups", "error", "state:failed", 1000)
        }
        await seat.press("escape")
        assert isinstance(seat.app.screen, JobsScreen)
        assert "state:failed" in seat.text


async def test_enter_lists_the_jobs_of_a_group_and_esc_comes_back() -> None:
    async with console(bad_deploy()) as seat:
        await seat.press("b")
        await seat.sees("in 3 groups")
        await seat.press("j", "enter")
        await seat.sees('error:"timeout after 600s"', "12 of 56")
        await seat.press("escape")
        await seat.until(lambda: isinstance(seat.app.screen, GroupsScreen))


async def test_a_group_is_run_again_after_its_number_was_typed() -> None:
    async with console(bad_deploy()) as seat:
        await seat.press("b")
        await seat.sees("in 3 groups")
        await seat.press("r")
        await seat.dialog("Resubmit 41 jobs?", 'filter error:"ImportError', "40 resize-images")
        await seat.press("y")
        await seat.dialog("type 41")
        await seat.type("41")
        await seat.press("enter")
        await seat.asks("resubmit", 41)
        assert {call[1] for call in seat.world.asked("resubmit")} == set(range(52001, 52042))
        await seat.sees("resubmitted: 41")


async def test_more_jobs_than_can_be_acted_on_are_not_begun_with() -> None:
    world = bad_deploy()
    async with console(world) as seat:
        await seat.press("b")
        await seat.sees("in 3 groups")
        screen = seat.app.screen
        assert isinstance(screen, GroupsScreen)
        for group in screen.views.values():
            group.count = 40_097
        await seat.press("r")
        await seat.sees("40,097 jobs are too many at once")
        assert not world.asked("resubmit")


async def test_b_goes_on_to_other_groupings_and_round_again() -> None:
    async with console(bad_deploy()) as seat:
        await seat.press("b")
        for by in ("type", "queue", "runner", "error"):
            await seat.sees("in ", f"group by {by}")
            await seat.press("b")
            await seat.sees(f"Jobs by {by}")


async def test_a_filter_is_typed_here_as_well_and_goes_with_esc() -> None:
    async with console(bad_deploy()) as seat:
        await seat.press("b")
        await seat.sees("56 jobs in 3 groups")
        await seat.press("/")
        await seat.type("type:fetch-tiles")
        await seat.press("enter")
        await seat.sees("3 jobs in 1 group")
        await seat.press("escape")
        await seat.sees("56 jobs in 3 groups")


async def test_its_newest_output_its_filter_and_its_order() -> None:
    async with console(bad_deploy()) as seat:
        await seat.press("b")
        await seat.sees("in 3 groups")
        await seat.press("y")
        await seat.sees("copied error:")
        await seat.press("o")
        await seat.until(lambda: "exit 137" in seat.text.splitlines()[3])
        await seat.press("g", "l")
        await seat.sees("output of 52056")


async def test_e_tells_all_that_is_known_of_a_group() -> None:
    world = bad_deploy()
    world.all_jobs[52001].error = ErrorView(
        kind="error", message="Traceback\n  File [/red]\nImportError: tiles"
    )
    async with console(world) as seat:
        await seat.press("b")
        await seat.sees("in 4 groups")
        await seat.press("e")
        await seat.dialog("40 jobs: ImportError", "the newest is 52041", "resize-images 39, a 1")
        await seat.press("escape")
        await seat.press("G", "e")
        await seat.dialog("1 job: ", "ImportError: tiles", "lab-00")


async def test_nothing_went_wrong() -> None:
    async with console(World()) as seat:
        await seat.press("-")
        seat.app.navigation.show_groups("")
        await seat.sees("No jobs with an error yet.")


async def test_what_happens_is_counted_and_what_jobs_say_is_not() -> None:
    world = bad_deploy()
    async with console(world) as seat:
        await seat.press("b")
        await seat.sees("56 jobs in 3 groups")
        world.clock.advance(10)
        await seat.settle()  # what was heard while the first ones loaded is loaded as well
        asked = len(world.asked("job_groups"))
        world.clock.advance(10)
        world.send(NoticeView(kind="progress", number=52001, attempt=1))
        await seat.settle()
        assert len(world.asked("job_groups")) == asked
        late = world.all_jobs[52056]
        late.error = ErrorView(kind="error", message="something else")
        world.happen("failed", 52056)
        await seat.sees("56 jobs in 4 groups", "something else")

"""Jobs that are alike, counted together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.errors import InvalidInput
from server.filters import parse_filter
from server.ranges import Range
from server.store import group_reads
from server.store.base import GroupQuery, JobQuery, KeptRange
from tests.server.store.world import details

if TYPE_CHECKING:
    from server.store.base import Grouping, JobGroups, Tx
    from tests.server.store.world import World


async def groups(world: World, by: Grouping = "error", text: str = "", **more: object) -> JobGroups:
    wanted = parse_filter(text) if text else None
    return await world.store.reads.job_groups(GroupQuery(by, wanted, **more))  # type: ignore[arg-type]


async def fail(world: World, message: str, runner: int = 1, type: str = "noop", **said: str) -> int:
    """A job of that type that failed on a runner; its number."""
    [job] = await world.submit(1, type=type)
    await world.finish(await world.claim([job], runner), "failed", message=message, **said)
    return job.id


async def deploy(world: World) -> None:
    """A bad one: three causes, one of them in many words."""
    await world.runner("lab-1")
    await world.runner("lab-2")
    for number in range(5):
        world.clock.advance(60)
        message = f"no module named 'tiles_v{number}'"
        await fail(world, message, 1 + number % 2, type="resize")
    for _ in range(2):
        world.clock.advance(60)
        await fail(world, "Timeout after 600s", type="train")
    await world.submit(3)


async def test_texts_that_differ_in_numbers_are_one_group(world: World) -> None:
    start = world.now
    await deploy(world)
    found = await groups(world)
    assert (found.number, found.jobs, found.is_whole) == (2, 7, True)
    tiles, timeout = found.groups
    assert tiles.name == "no module named 'tiles_v#'"
    assert (tiles.text, tiles.is_varied) == ("no module named 'tiles_v4'", True)
    assert (tiles.jobs, tiles.first, tiles.last) == (5, start + 60_000, start + 300_000)
    assert tiles.newest[0] == 5
    assert tiles.types == ((("resize", 5),), 1)
    assert tiles.runners == ((("lab-1", 3), ("lab-2", 2)), 2)
    assert (timeout.text, timeout.is_varied) == ("Timeout after 600s", False)


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("type", {"resize": 5, "train": 2, "noop": 3}),
        ("queue", {"default": 10}),
        ("runner", {"lab-1": 5, "lab-2": 2}),
    ],
)
async def test_jobs_are_grouped_by_names(world: World, by: Grouping, names: dict[str, int]) -> None:
    await deploy(world)
    found = await groups(world, by)
    assert {group.name: group.jobs for group in found.groups} == names
    assert all(group.text == group.name and not group.is_varied for group in found.groups)


async def test_a_group_has_the_jobs_that_its_filter_gives(world: World) -> None:
    await deploy(world)
    for group in (await groups(world)).groups:
        wanted = parse_filter(f'cause:"{group.name}"')
        page = await world.store.reads.job_page(JobQuery(wanted))
        assert (page.count, page.count_is_exact) == (group.jobs, True)
        assert page.rows[0].job.id == group.newest[0]


async def test_a_filter_narrows_what_is_grouped(world: World) -> None:
    await deploy(world)
    narrowed = await groups(world, text="for<150s type:train")
    assert [group.jobs for group in narrowed.groups] == [2]
    assert (await groups(world, text="type:nothing")).jobs == 0
    assert (await groups(world, text="state:pending")).groups == []


async def test_of_those_who_see_their_own_only_those_count(world: World) -> None:
    await world.submit(2, detail=details(owner="ana"))
    await world.submit(1, detail=details(owner="sam"))
    assert (await groups(world, "queue", owner="ana")).jobs == 2


async def test_jobs_that_failed_without_a_word_are_a_group(world: World) -> None:
    await fail(world, "")
    [silent] = (await groups(world)).groups
    assert (silent.name, silent.text, silent.jobs) == ("", "", 1)
    wanted = parse_filter('cause:"" state:failed,expired')
    assert (await world.store.reads.job_page(JobQuery(wanted))).count == 1


async def test_an_older_try_that_failed_does_not_count(world: World) -> None:
    await fail(world, "first")
    await world.finish(await world.claim([await world.job(1)]), "completed")
    assert (await groups(world)).jobs == 0


async def test_ranges_tell_themselves_why_they_failed(world: World) -> None:
    [job] = await world.submit(1)

    def give_up(tx: Tx) -> None:
        whole = Range(0, 9)
        tx.put_range(KeptRange(job.id, whole, 9, 0, 0, 3, "", False, "not covered: 3 to 7"))

    await world.run(give_up)
    [group] = (await groups(world)).groups
    assert (group.name, group.text) == ("not covered: # to #", "not covered: 3 to 7")


async def test_only_the_newest_jobs_are_looked_at_where_there_are_too_many(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_reads, "MOST_JOBS", 4)
    await deploy(world)
    found = await groups(world, "type")
    assert {group.name: group.jobs for group in found.groups} == {"noop": 3, "train": 1}
    assert not found.is_whole


async def test_the_largest_are_listed(world: World) -> None:
    await deploy(world)
    found = await groups(world, limit=1)
    assert (len(found.groups), found.number, found.jobs) == (1, 2, 7)
    with pytest.raises(InvalidInput, match="between 1 and"):
        await groups(world, limit=0)

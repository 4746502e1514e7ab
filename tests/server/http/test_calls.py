"""Every call of the operator API, used as it is meant to be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from server.clock import ManualClock
from server.http.openapi import operation_id
from server.http.operator_routes import ROUTES
from server.model import Outcome
from server.settings import QueueSettings, Settings, StorageSettings
from tests.server.http.world import SETTINGS, World, served, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        yield world


async def test_every_call_succeeds_when_used_well(world: World) -> None:
    runner = await world.runner()
    first = await world.submit(params={"n": 10})
    [assigned] = await runner.take()
    await runner.print(assigned, b"hello\nworld\n")
    await world.good("GET", "/jobs", role="submit")
    await world.good("GET", "/jobs/groups")
    await world.good("GET", f"/jobs/{first}")
    output = await world.call("GET", f"/jobs/{first}/output")
    assert output.content == b"hello\nworld\n"
    await world.good("GET", f"/jobs/{first}/explain")
    await world.good("POST", f"/jobs/{first}/stop", {"grace_seconds": 3, "reason": "enough"})
    await runner.finish(assigned, Outcome("cancelled"))
    await world.good("POST", f"/jobs/{first}/resubmit")
    second = await world.submit(queue="gpu")
    await world.good("POST", f"/jobs/{second}/reassign", {"queue": "default", "reason": "gpu full"})
    await world.good("POST", f"/jobs/{second}/priority", {"priority": 7})
    await world.good("GET", "/runners")
    await world.good("GET", "/runners/lab-1")
    await world.good("POST", "/runners/lab-1/drain", {"deadline_seconds": 60, "reason": "fan"})
    await world.good("POST", "/runners/lab-1/resume")
    await runner.leave()
    await world.good("DELETE", "/runners/lab-1")
    await world.good("GET", "/queues")
    await world.good("GET", "/queues/gpu")
    await world.good("POST", "/queues/gpu/pause", {"reason": "tests"})
    await world.good("POST", "/queues/gpu/resume")
    await world.good("POST", "/queues/gpu/limit", {"limit": 3})
    schedule = {"cron": "0 2 * * *", "type": "report"}
    await world.good("POST", "/schedules", {"name": "nightly", **schedule})
    await world.good("GET", "/schedules")
    await world.good("GET", "/schedules/nightly")
    await world.good("PUT", "/schedules/nightly", {**schedule, "queue": "gpu"})
    await world.good("POST", "/schedules/nightly/pause", {"reason": "tests"})
    await world.good("POST", "/schedules/nightly/resume")
    await world.good("GET", "/schedules/nightly/due")
    await world.good("GET", "/cron", params={"expression": "0 2 * * *"})
    await world.good("DELETE", "/schedules/nightly")
    await world.good("GET", "/late-writes")
    await world.good("GET", "/stats")
    await world.good("GET", "/events")
    await world.good("POST", "/keys", {"name": "sam", "role": "operator"}, role="admin")
    await world.good("GET", "/keys", role="admin")
    await world.good("DELETE", "/keys/sam", role="admin")
    assert world.succeeded == {operation_id(route) for route in ROUTES}


async def test_a_list_is_taken_in_order_or_not_at_all(world: World) -> None:
    answer = await world.good(
        "POST", "/jobs", [{"type": "a"}, {"type": "b", "priority": 3}], role="submit"
    )
    numbers = [job["number"] for job in answer["jobs"]]
    assert numbers == sorted(numbers)
    words = await world.bad(400, "POST", "/jobs", [{"type": "a"}, {"type": ""}], role="submit")
    assert "[1].type" in words
    page = await world.good("GET", "/jobs")
    assert [job["type"] for job in page["jobs"]] == ["b", "a"]
    assert (await world.good("POST", "/jobs", [], role="submit")) == {"jobs": []}


async def test_an_idempotency_key_answers_alike(world: World) -> None:
    how = {"role": "submit", "headers": {"Idempotency-Key": "deploy-7"}}
    first = await world.good("POST", "/jobs", {"type": "a"}, **how)
    again = await world.good("POST", "/jobs", {"type": "a"}, **how)
    assert again["job"]["id"] == first["job"]["id"]
    await world.bad(409, "POST", "/jobs", {"type": "b"}, **how)
    await world.bad(
        400, "POST", "/jobs", {"type": "b"}, role="submit", headers={"Idempotency-Key": "x" * 300}
    )


async def test_a_job_is_shown_whole(world: World) -> None:
    runner = await world.runner()
    number = await world.submit(params={"n": [1, {"x": None}]}, timeout_seconds=90, priority=2)
    [assigned] = await runner.take()
    shown = await world.good("GET", f"/jobs/{number}")
    job = shown["job"]
    assert job["state"] == "in_progress"
    assert job["params"] == {"n": [1, {"x": None}]}
    assert job["timeout_seconds"] == 90
    assert job["priority"] == 2
    assert job["owner"] == "submit-key"
    assert job["runner"]["name"] == "lab-1"
    assert job["lease"] == "ok"
    assert job["can"] == "solr"
    assert not job["has_result"]
    assert {event["kind"] for event in shown["events"]} >= {"submitted", "claimed"}
    assert all(event["job"] == job["id"] for event in shown["events"])
    await runner.finish(assigned, Outcome("success", result=b'{"fib":55}'))
    done = await world.good("GET", f"/jobs/{job['id']}")
    assert done["job"]["state"] == "completed"
    assert done["job"]["result"] == {"fib": 55}
    assert done["attempts"][0]["outcome"] == "success"
    assert (await world.good("GET", f"/jobs/{job['id'][:13]}"))["job"]["number"] == number


async def test_a_failure_and_its_lineage(world: World) -> None:
    runner = await world.runner()
    number = await world.submit(params={"n": 1})
    [assigned] = await runner.take()
    outcome = Outcome("error", "boom \x1b[31m[/nope]", type="E", details=b"[1]", exit_code=3)
    await runner.finish(assigned, outcome)
    made = await world.good("POST", f"/jobs/{number}/resubmit", {"params": {"n": 2}})
    old = await world.good("GET", f"/jobs/{number}")
    assert old["job"]["error"]["message"] == "boom \x1b[31m[/nope]"
    assert old["job"]["error"]["details"] == [1]
    assert old["attempts"][0]["exit_code"] == 3
    assert [job["number"] for job in old["lineage"]["resubmitted_as"]] == [made["job"]["number"]]
    new = await world.good("GET", f"/jobs/{made['job']['number']}")
    assert new["job"]["params"] == {"n": 2}
    assert new["lineage"]["resubmitted_from"]["number"] == number


async def test_what_may_be_submitted_may_be_resubmitted(world: World) -> None:
    number = await world.submit()
    await world.good("POST", f"/jobs/{number}/stop")
    params = {"text": "x" * 2_000_000}
    made = await world.good("POST", f"/jobs/{number}/resubmit", {"params": params})
    assert (await world.good("GET", f"/jobs/{made['job']['number']}"))["job"]["params"] == params


async def test_states_that_forbid_say_so(world: World) -> None:
    number = await world.submit()
    await world.bad(409, "POST", f"/jobs/{number}/resubmit")
    await world.good("POST", f"/jobs/{number}/stop", {"reason": "mistake"})
    words = await world.bad(409, "POST", f"/jobs/{number}/stop")
    assert "stopped" in words
    await world.bad(409, "POST", f"/jobs/{number}/priority", {"priority": 1})
    await world.bad(400, "POST", f"/jobs/{number}/reassign", {})
    await world.bad(400, "POST", f"/jobs/{number}/reassign", {"queue": "a", "runner": "b"})
    await world.bad(404, "POST", f"/jobs/{number}/reassign", {"runner": "nobody"})
    await world.bad(409, "POST", "/queues/gpu/resume")
    await world.bad(400, "POST", "/queues/gpu/limit", {"limit": 0})


async def test_pages_follow_each_other(world: World) -> None:
    await world.good("POST", "/jobs", [{"type": "a"}] * 25, role="submit")
    seen: list[int] = []
    after = ""
    while True:
        page = await world.good("GET", "/jobs", params={"limit": "10", "after": after})
        seen += [job["number"] for job in page["jobs"]]
        after = page["next"]
        if after is None:
            break
    assert seen == list(range(25, 0, -1))
    some = await world.good("GET", "/jobs", params={"numbers": "3,7,99999"})
    assert {job["number"] for job in some["jobs"]} == {3, 7}


async def test_output_by_offset_and_range(world: World) -> None:
    runner = await world.runner()
    number = await world.submit()
    empty = await world.call("GET", f"/jobs/{number}/output")
    assert (empty.content, empty.headers["x-output-complete"]) == (b"", "false")
    [assigned] = await runner.take()
    await runner.print(assigned, b"0123456789")
    path = f"/jobs/{number}/output"
    part = await world.call("GET", path, params={"offset": "4", "limit": "3"})
    assert part.content == b"456"
    assert part.headers["x-output-offset"] == "4"
    assert part.headers["x-output-size"] == "10"
    assert part.headers["x-output-stream"] == "stdout"
    assert int(part.headers["x-output-time"]) > 0
    assert (await world.call("GET", path, params={"offset": "-2"})).content == b"89"
    assert (await world.call("GET", path, params={"offset": "99"})).headers[
        "x-output-offset"
    ] == "10"
    for asked, expected, place in [
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-", b"89", "bytes 8-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
    ]:
        ranged = await world.call("GET", path, headers={"Range": asked})
        assert (ranged.status_code, ranged.content) == (206, expected)
        assert ranged.headers["content-range"] == place
    for unsatisfiable in ("bytes=10-", "bytes=-0", "bytes=50-60"):
        refused = await world.call("GET", path, headers={"Range": unsatisfiable})
        assert refused.status_code == 416
        assert refused.headers["content-range"] == "bytes */10"
    for ignored in ("bytes=5-2", "lines=1-2", "bytes=1-2,4-5"):
        assert (await world.call("GET", path, headers={"Range": ignored})).status_code == 200
    await world.bad(400, "GET", path, headers={"Range": "bytes=1-2"}, params={"offset": "1"})
    await runner.finish(assigned)
    assert (await world.call("GET", path)).headers["x-output-complete"] == "true"
    assert (await world.call("GET", path, params={"attempt": "1"})).content == b"0123456789"
    await world.bad(404, "GET", path, params={"attempt": "2"})


async def test_output_goes_on_behind_what_the_cap_left_out() -> None:
    """Asked for part by part, however small the parts are, it ends with its end."""
    settings = replace(SETTINGS, storage=StorageSettings(max_output=1_000))
    async with served(settings=settings) as world:
        runner = await world.runner()
        number = await world.submit()
        [assigned] = await runner.take()
        written = b"".join(b"%03d " % index * 25 for index in range(100))
        for start in range(0, len(written), 100):
            await runner.print(assigned, written[start : start + 100], start)
        await runner.finish(assigned)
        path = f"/jobs/{number}/output"
        offset, parts = 0, []
        while offset < len(written):
            params = {"offset": str(offset), "limit": "300"}
            part = await world.call("GET", path, params=params)
            assert part.content
            begin = int(part.headers["x-output-offset"])
            parts.append((begin, part.content))
            offset = begin + len(part.content)
        assert all(written[at : at + len(data)] == data for at, data in parts)
        assert [at for at, _ in parts] == [0, 300, 9_500, 9_800]
        left_out = await world.call("GET", path, headers={"Range": "bytes=600-900"})
        assert left_out.status_code == 416


async def test_text_in_output_is_found_both_ways(world: World) -> None:
    runner = await world.runner()
    number = await world.submit()
    path = f"/jobs/{number}/output"
    assert (await world.good("GET", path, params={"search": "x"}))["offset"] is None
    [assigned] = await runner.take()
    await runner.print(assigned, "one needle, two näedle, needle".encode())
    assert (await world.good("GET", path, params={"search": "needle"}))["offset"] == 4
    assert (await world.good("GET", path, params={"search": "needle", "offset": "5"}))[
        "offset"
    ] == 25
    backward = {"search": "needle", "direction": "backward"}
    assert (await world.good("GET", path, params=backward))["offset"] == 25
    assert (await world.good("GET", path, params={**backward, "offset": "25"}))["offset"] == 4
    assert (await world.good("GET", path, params={"search": "näedle"}))["offset"] == 16
    assert (await world.good("GET", path, params={"search": "absent"}))["offset"] is None
    await world.bad(400, "GET", path, params={"direction": "backward"})


async def test_runners_show_what_they_do(world: World) -> None:
    runner = await world.runner("lab/ä 1", capacity=3)
    await world.submit()
    [assigned] = await runner.take()
    shown = await world.good("GET", "/runners/lab%2F%C3%A4%201")
    assert shown["runner"]["name"] == "lab/ä 1"
    assert (shown["runner"]["state"], shown["runner"]["busy"]) == ("ok", 1)
    assert shown["runner"]["busy_minutes"] == [None] * 15
    assert shown["runner"]["connected_at"] > 0
    await world.bad(409, "DELETE", f"/runners/{shown['runner']['id']}")
    drained = await world.good("POST", "/runners/lab%2F%C3%A4%201/drain", {"reason": "fan"})
    assert (drained["runner"]["state"], drained["runner"]["drain_reason"]) == ("draining", "fan")
    assert drained["runner"]["drained_by"] == "operator-key"
    await runner.finish(assigned)
    await until(lambda: world.coordinator.busy(runner.session.runner) == 0)
    listed = await world.good("GET", "/runners")
    assert listed["runners"][0]["state"] == "drained"
    assert listed["runners"][0]["done_last_hour"] == 1
    stats = await world.good("GET", "/stats")
    assert stats["runners"]["drained"] == 1
    assert stats["done_last_minute"] == 1
    assert stats["counts"]["completed"] == 1
    assert len(stats["done_buckets"]) == 15


async def test_events_tell_who_and_why(world: World) -> None:
    number = await world.submit()
    await world.good("POST", f"/jobs/{number}/stop", {"reason": "no more"})
    page = await world.good("GET", "/events", params={"job": str(number)})
    assert [event["kind"] for event in page["events"]] == ["stopped", "submitted"]
    assert page["events"][0]["reason"] == "no more"
    assert page["events"][0]["actor"] == "operator-key"
    assert page["events"][0]["number"] == number
    by = await world.good("GET", "/events", params={"actor": "submit-key"})
    assert [event["kind"] for event in by["events"]] == ["submitted"]
    forward = await world.good("GET", "/events", params={"after": "0", "limit": "2"})
    assert [event["seq"] for event in forward["events"]] == [1, 2]


async def test_a_submit_key_sees_only_its_own(world: World) -> None:
    number = await world.submit()
    made = await world.good("POST", "/keys", {"name": "ci2", "role": "submit"}, role="admin")
    other: dict[str, Any] = {
        "headers": {"Authorization": f"Bearer {made['secret']}"},
        "role": None,
    }
    theirs = await world.good("POST", "/jobs", {"type": "a"}, **other)
    page = await world.good("GET", "/jobs", **other)
    assert [job["number"] for job in page["jobs"]] == [theirs["job"]["number"]]
    assert (await world.good("GET", "/jobs", params={"numbers": str(number)}, **other))[
        "jobs"
    ] == []
    for path in ("", "/output", "/explain"):
        await world.bad(404, "GET", f"/jobs/{number}{path}", **other)
        await world.call("GET", f"/jobs/{theirs['job']['number']}{path}", **other)
    assert len((await world.good("GET", "/jobs"))["jobs"]) == 2


async def test_keys_are_made_shown_without_secret_and_revoked(world: World) -> None:
    made = await world.good("POST", "/keys", {"name": "sam", "role": "read-only"}, role="admin")
    secret = made["secret"]
    sam = {"headers": {"Authorization": f"Bearer {secret}"}, "role": None}
    await world.good("GET", "/stats", **sam)
    await world.bad(403, "POST", "/queues/gpu/pause", **sam)
    listed = await world.call("GET", "/keys", role="admin")
    assert secret not in listed.text
    assert {key["source"] for key in listed.json()["keys"]} == {"configuration", "store"}
    await world.bad(409, "POST", "/keys", {"name": "sam", "role": "admin"}, role="admin")
    await world.bad(409, "POST", "/keys", {"name": "admin-key", "role": "admin"}, role="admin")
    await world.bad(409, "DELETE", "/keys/admin-key", role="admin")
    await world.good("DELETE", "/keys/sam", role="admin", params={"reason": "left us"})
    told = await world.good("GET", "/events", params={"limit": "1"})
    assert (told["events"][0]["kind"], told["events"][0]["reason"]) == ("key_revoked", "left us")
    await world.bad(401, "GET", "/stats", **sam)
    await world.bad(404, "DELETE", "/keys/nobody", role="admin")


async def test_a_full_disk_refuses_jobs_and_nothing_else(world: World) -> None:
    number = await world.submit()
    world.coordinator.submit_problem = "only 3 MiB are free: new jobs are refused"
    words = await world.bad(507, "POST", "/jobs", {"type": "a"}, role="submit")
    assert "3 MiB" in words
    await world.good("POST", f"/jobs/{number}/stop")


async def test_a_runner_that_beats_but_says_nothing_is_quiet() -> None:
    clock = ManualClock()
    settings = Settings(queues={"default": QueueSettings(stall_after_ms=5_000)})
    async with served(clock=clock, settings=settings) as world:
        runner = await world.runner()
        await world.submit()
        await runner.take()
        assert (await world.good("GET", "/runners/lab-1"))["runner"]["state"] == "ok"
        clock.advance(10)
        shown = (await world.good("GET", "/runners/lab-1"))["runner"]
        assert shown["state"] == "quiet"
        assert shown["quiet_since"] == clock.now_ms() - 10_000
        assert (await world.good("GET", "/stats"))["runners"]["quiet"] == 1


async def test_a_runner_tells_how_busy_it_was_minute_by_minute() -> None:
    clock = ManualClock(monotonic=6_000.0)
    async with served(clock=clock) as world:
        runner = await world.runner(capacity=2)
        await world.submit()
        [assigned] = await runner.take()
        clock.advance(60)
        await runner.finish(assigned)
        clock.advance(60)
        shown = (await world.good("GET", "/runners/lab-1"))["runner"]
        assert shown["busy_minutes"] == [None] * 13 + [1.0, 0.0]


async def test_hostile_text_goes_through_unharmed(world: World) -> None:
    text = "x[/nope] \x1b[2J \u202e \U0001f4a9 'quoted' \\ \x00 end"
    number = await world.submit(text, params={text: [text]}, requires={"a b": text})
    shown = (await world.good("GET", f"/jobs/{number}"))["job"]
    assert shown["type"] == text
    assert shown["params"] == {text: [text]}
    assert shown["requires"] == {"a b": text}
    await world.good("POST", f"/jobs/{number}/stop", {"reason": text})
    page = await world.good("GET", "/events", params={"job": str(number), "limit": "1"})
    assert page["events"][0]["reason"] == text


async def test_runners_are_found_by_what_people_type(world: World) -> None:
    await world.runner("lab-1")
    await world.runner("lab-2")
    first = (await world.good("GET", "/runners/lab-1"))["runner"]["id"]
    assert (await world.good("GET", f"/runners/{first}"))["runner"]["name"] == "lab-1"
    assert "more than one" in await world.bad(409, "GET", f"/runners/{first[:6]}")
    number = await world.submit()
    moved = await world.good("POST", f"/jobs/{number}/reassign", {"runner": "lab-2"})
    assert moved["job"]["number"] == number
    explained = await world.good("GET", f"/jobs/{number}/explain")
    verdicts = {one["runner"]["name"]: one["verdict"] for one in explained["reasons"]}
    assert verdicts == {"lab-1": "pin", "lab-2": "eligible"}
    await world.runner(first)  # calls itself by the id of another
    assert (await world.good("GET", f"/runners/{first}"))["runner"]["name"] == "lab-1"


async def test_what_went_wrong_is_grouped_with_a_filter_for_each(world: World) -> None:
    runner = await world.runner()
    for number in range(3):
        await world.submit(type="resize")
        [assigned] = await runner.take()
        error = Outcome("error", f'no "tile" {number}', "OSError")
        await runner.finish(assigned, error)
    await world.submit(type="resize")
    answer = await world.good("GET", "/jobs/groups", params={"filter": "type:resize"})
    [group] = answer["groups"]
    assert (group["name"], group["example"]) == ('OSError: no "tile" #', 'OSError: no "tile" 2')
    assert (group["count"], answer["count"], answer["number"]) == (3, 3, 1)
    assert group["types"] == {"top": [{"name": "resize", "count": 3}], "number": 1}
    page = await world.good("GET", "/jobs", params={"filter": group["filter"]})
    assert [job["number"] for job in page["jobs"]] == [3, 2, 1]
    assert group["newest"]["id"] == page["jobs"][0]["id"]
    types = await world.good("GET", "/jobs/groups", params={"by": "type"})
    assert [(one["name"], one["filter"], one["count"]) for one in types["groups"]] == [
        ("resize", "type:resize", 4)
    ]
    await world.bad(400, "GET", "/jobs/groups?by=weather")
    await world.bad(400, "GET", "/jobs/groups?filter=nonsense:1")


async def test_submitters_group_their_own_jobs(world: World) -> None:
    await world.good("POST", "/jobs", {"type": "theirs"})
    await world.good("POST", "/jobs", {"type": "mine"}, role="submit")
    groups = await world.good("GET", "/jobs/groups", params={"by": "type"}, role="submit")
    assert [group["name"] for group in groups["groups"]] == ["mine"]

"""Cursor ranges over the operator API and native-v2, as clients see them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from server.model import Outcome
from tests.server.http.world import SETTINGS, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from server.settings import Settings
    from tests.server.http.world import World

HOUR = 3_600_000_000
TOO_FAR = 2**63


def bounded(max_backfill_ms: int) -> Settings:
    native = replace(SETTINGS.protocols.native_v1, max_backfill_ms=max_backfill_ms)
    return replace(SETTINGS, protocols=replace(SETTINGS.protocols, native_v1=native))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as made:
        yield made


async def coverage(world: World, number: int) -> dict[str, Any]:
    job = (await world.good("GET", f"/jobs/{number}"))["job"]
    found: dict[str, Any] = job["coverage"]
    return found


async def test_a_range_is_submitted_done_and_shown(world: World) -> None:
    answer = await world.good(
        "POST", "/jobs", {"range": [0, 3 * HOUR - 1], "params": {"table": "posts"}}, role="submit"
    )
    number = answer["job"]["number"]
    assert answer["job"] | {"id": ""} == {
        "id": "",
        "number": number,
        "state": "in_progress",
        "cached": False,
        "note": "",
    }
    job = (await world.good("GET", f"/jobs/{number}"))["job"]
    assert (job["type"], job["range"], job["parent"]) == ("range", [0, 3 * HOUR - 1], None)
    assert job["attempt"] is None
    runner = await world.runner(capacity=2)
    first, second = await runner.take()
    await runner.finish(first)
    shown = await coverage(world, number)
    assert shown == {
        "total": 3 * HOUR,
        "covered": HOUR,
        "running": HOUR,
        "waiting": HOUR,
        "missing": 0,
        "elsewhere": 0,
        "too_old": 0,
        "running_pieces": 1,
        "waiting_pieces": 1,
        "pieces_to_cut": 0,
        "spent_pieces": 0,
        "segments": [
            {"from": 0, "to": HOUR - 1, "state": "covered"},
            {"from": HOUR, "to": 2 * HOUR - 1, "state": "running"},
            {"from": 2 * HOUR, "to": 3 * HOUR - 1, "state": "waiting"},
        ],
        "is_coarse": False,
    }
    (line,) = (await world.good("GET", "/jobs?filter=parent:0"))["jobs"]
    assert line["progress"] == {"current": HOUR, "total": 3 * HOUR, "text": ""}
    await runner.finish(second)
    (third,) = await runner.take()
    await runner.finish(third)
    job = (await world.good("GET", f"/jobs/{number}"))["job"]
    assert job["state"] == "completed"
    assert [one["state"] for one in job["coverage"]["segments"]] == ["covered"]


async def test_a_piece_names_its_range_and_is_found_by_it(world: World) -> None:
    number = await world.submit("crawl", range=[7, HOUR + 6])
    listed = await world.good("GET", f"/jobs?filter=parent:{number}&order=number")
    (piece,) = listed["jobs"]
    assert piece["type"] == "crawl"
    job = (await world.good("GET", f"/jobs/{piece['number']}"))["job"]
    assert job["parent"]["number"] == number
    assert job["range"] == [7, HOUR + 6]
    assert job["coverage"] is None
    assert job["params"] == {"cursor_from": 7, "cursor_to": HOUR + 6}


async def test_a_failed_range_says_what_is_not_covered(world: World) -> None:
    number = await world.submit("crawl", range=[0, 2 * HOUR - 1], max_attempts=1)
    runner = await world.runner(capacity=2)
    good, bad = await runner.take()
    await runner.finish(good)
    await runner.finish(bad, Outcome("error", "no such posts"))
    job = (await world.good("GET", f"/jobs/{number}"))["job"]
    assert job["state"] == "failed"
    assert job["error"]["message"] == f"not covered: {HOUR} to {2 * HOUR - 1}"
    assert job["coverage"]["spent_pieces"] == 1
    assert [one["state"] for one in job["coverage"]["segments"]] == ["covered", "missing"]
    events = (await world.good("GET", f"/events?job={number}"))["events"]
    spent = next(event for event in events if event["kind"] == "piece_spent")
    assert spent["reason"].endswith("failed: no such posts")
    assert spent["data"]["from"] == HOUR
    explained = await world.good("GET", f"/jobs/{number}/explain")
    assert explained["summary"].startswith("it has ended: failed, 50% covered; not covered:")


async def test_fifty_years_are_answered_with_what_is_still_to_cut(world: World) -> None:
    years = 50 * 365 * 24 * HOUR
    number = await world.submit("crawl", range=[1, years])
    shown = await coverage(world, number)
    assert shown["waiting_pieces"] + shown["pieces_to_cut"] == 438_000
    assert shown["waiting_pieces"] < 5_000
    assert shown["segments"] == [{"from": 1, "to": years, "state": "waiting"}]


async def test_what_was_submitted_before_is_told_in_a_note(world: World) -> None:
    first = await world.submit("crawl", range=[0, HOUR - 1])
    body = {"type": "crawl", "range": [0, 2 * HOUR - 1], "range_policy": "missing"}
    answer = (await world.good("POST", "/jobs", body))["job"]
    assert answer["note"].endswith(f"were done or are being done by job {first}")
    shown = await coverage(world, answer["number"])
    assert (shown["elsewhere"], shown["total"]) == (HOUR, HOUR)
    again = (await world.good("POST", "/jobs", body))["job"]
    assert (again["state"], again["cached"]) == ("completed", False)
    part = (await world.good("POST", "/jobs", body | {"range": [HOUR, HOUR + 5]}))["job"]
    assert (part["number"], part["cached"]) == (answer["number"], True)


async def test_max_backfill_is_told_in_the_answer_and_the_events() -> None:
    async with served(settings=bounded(3_600_000)) as world:
        now = world.coordinator.clock.now_ms() * 1_000
        body = {"range": [now - 2 * HOUR, now]}
        answer = (await world.good("POST", "/jobs", body))["job"]
        assert "older than 3600s (max_backfill)" in answer["note"]
        events = (await world.good("GET", f"/events?job={answer['number']}"))["events"]
        (planned,) = [event for event in events if event["kind"] == "range_planned"]
        assert planned["reason"] == answer["note"]
        said = await world.bad(400, "POST", "/jobs", {"range": [0, 1]})
        assert "max_backfill" in said


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"range": [2, 1]}, "job 0: range: from (2) lies after to (1)"),
        ({"range": [0, TOO_FAR]}, "job 0: range: to is"),
        ({"range": [-TOO_FAR, 0]}, "job 0: range: from is"),
        ({"range": [0, TOO_FAR - 1]}, "units"),
        ({"range": [1]}, "range"),
        ({"range": [1, 2, 3]}, "range"),
        ({"range": [0.5, 2]}, "range"),
        ({"range": ["0", "2"]}, "range"),
        ({"range": [True, 2]}, "range"),
        ({"range": {"from": 1}}, "range"),
        ({"range": [10**400, 10**401]}, ""),
        ({"type": "x", "range_policy": "missing"}, "job 0: range_policy says nothing"),
        ({"range": [1, 2], "range_policy": "some"}, "range_policy"),
        ({"range": [1, 2], "params": [1]}, "object"),
        ({"range": [1, 2], "params": {"cursor_from": 1}}, "cursor_from"),
        ({"params": {}}, "job 0: type is missing"),
    ],
    ids=str,
)
async def test_what_makes_no_sense_is_refused_in_words(
    world: World, body: dict[str, Any], words: str
) -> None:
    said = await world.bad(400, "POST", "/jobs", body)
    assert words in said
    assert (await world.good("GET", "/jobs"))["count"] == 0


async def test_one_bad_range_keeps_the_whole_list_out(world: World) -> None:
    good = {"range": [1, 2]}
    await world.bad(400, "POST", "/jobs", [good, {"range": [3, 2]}])
    await world.bad(400, "POST", "/jobs", [good, {"range": [1, 2], "params": []}])
    assert (await world.good("GET", "/jobs"))["count"] == 0


async def test_stopping_a_range_over_the_api(world: World) -> None:
    number = await world.submit("crawl", range=[0, 2 * HOUR - 1])
    answer = await world.good("POST", f"/jobs/{number}/stop", {})
    assert answer["job"]["state"] == "stopped"
    shown = await coverage(world, number)
    assert (shown["missing"], shown["waiting"]) == (2 * HOUR, 0)
    answer = await world.good("POST", f"/jobs/{number}/resubmit", {})
    assert answer["job"]["state"] == "in_progress"
    said = await world.bad(409, "POST", f"/jobs/{number}/reassign", {"queue": "gpu"})
    assert "stopped" in said

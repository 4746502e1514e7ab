"""Who is admitted, who is who, and what the four calls answer."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from server.settings import LabelRule
from tests.protocols.native_v1.runner import a_runner
from tests.protocols.native_v1.world import API, a_world, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from server.model import Runner
    from tests.protocols.native_v1.world import World


def runners(world: World) -> dict[str, Runner]:
    return {runner.identity: runner for runner in world.coordinator.runners()}


async def test_a_runner_is_its_address_and_the_port_of_its_webhook(tmp_path: Path) -> None:
    labels = (LabelRule("127.0.0.*", {"rack": "r12"}),)
    async with a_world(tmp_path, settings_of(labels=labels)) as world:
        for body in (
            {"nonce": "a"},
            {"nonce": "b", "port": 4001, "capacity": 7},
            {"nonce": "c", "port": "4002", "capacity": None},
            {"nonce": 4, "callback_url": "http://127.0.0.1:4003/hook"},
        ):
            assert (await world.post("runner/hello", body)).json() == {"ok": True}
        known = runners(world)
        assert sorted(known) == [f"127.0.0.1:{port}" for port in (3000, 4001, 4002, 4003)]
        assert [known[identity].capacity for identity in sorted(known)] == [3, 7, 3, 3]
        assert {one.types for one in known.values()} == {("range",)}
        assert {one.labels["rack"] for one in known.values()} == {"r12"}
        assert known["127.0.0.1:4003"].endpoint == "http://127.0.0.1:4003/hook"


async def test_the_same_nonce_is_the_same_life_and_another_a_reboot(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world, capacity=5) as runner:
        [before] = world.coordinator.sessions_of(1)
        await world.post("runner/capacity/update", {"nonce": "boot-1", "capacity": "8"})
        await runner.hello()
        assert [one.id for one in world.coordinator.sessions_of(1)] == [before.id]
        assert runners(world)[runner.identity].capacity == 8  # saying nothing takes nothing back
        runner.nonce = "boot-2"
        await runner.hello()
        [after] = world.coordinator.sessions_of(1)
        assert after.id != before.id
        assert runners(world)[runner.identity].capacity == 3
        assert (await world.event_kinds()).count("runner_rebooted") == 1


async def test_the_nonce_of_a_life_that_is_over_does_not_come_back(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world) as runner:
        runner.nonce = "boot-2"
        await runner.hello()
        runner.nonce = "boot-1"
        answer = await runner.hello()
        assert answer.status_code == 409
        assert answer.json()["error"] is True
        assert "a newer process has said hello" in answer.json()["message"]
        assert world.coordinator.sessions_of(1)[0].nonce == "boot-2"


async def test_only_admitted_networks_are_let_in_whatever_headers_say(tmp_path: Path) -> None:
    settings = settings_of(allow=(ip_network("127.0.0.2/32"),))
    async with a_world(tmp_path, settings) as world:
        for call in ("runner/hello", "runner/update", "job/update", "nothing"):
            answer = await world.http.post(
                f"{API}/{call}",
                json={"nonce": "a"},
                headers={"X-Forwarded-For": "127.0.0.2", "Forwarded": "for=127.0.0.2"},
            )
            assert answer.status_code == 403
            assert answer.json()["error"] is True
            assert "protocols.native-v1.allow" in answer.json()["message"]
            assert answer.headers["access-control-allow-origin"] == "*"
        admitted = await world.post("runner/hello", {"nonce": "a"}, source="127.0.0.2")
        assert admitted.json() == {"ok": True}
        assert list(runners(world)) == ["127.0.0.2:3000"]


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For"])
async def test_nobody_is_let_in_by_the_address_of_a_proxy(tmp_path: Path, name: str) -> None:
    async with a_world(tmp_path) as world:
        answer = await world.http.post(
            f"{API}/runner/hello", json={"nonce": "a"}, headers={name: "for=203.0.113.7"}
        )
        assert answer.status_code == 403
        assert "came through a proxy" in answer.json()["message"]
        assert runners(world) == {}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2:4000/hook",
        "http://localhost:4000/hook",
        "http://example.com/hook",
        "http://127.0.0.1@127.0.0.2/hook",
        "http://user@127.0.0.1:4000/",
        "http://127.0.0.1:0/hook",
        "http://127.0.0.1:99999/hook",
        "http://127.0.0.1:4000/a b",
        "http://127.0.0.1\\@127.0.0.2/hook",
        "http://2130706433/hook",
        "http://[::1]:4000/hook",
        "http://[::ffff:127.0.0.2]/hook",
        "ftp://127.0.0.1/hook",
        "file:///etc/passwd",
        "//127.0.0.1/hook",
        "http://127.0.0.1/" + "x" * 600,
        "http://[",
    ],
)
async def test_work_is_brought_nowhere_but_to_who_asks(tmp_path: Path, url: str) -> None:
    async with a_world(tmp_path) as world:
        answer = await world.post("runner/hello", {"nonce": "a", "callback_url": url})
        assert answer.status_code == 400, answer.text
        assert "callback_url" in answer.json()["message"]
        assert runners(world) == {}


@pytest.mark.parametrize(
    ("call", "body", "words"),
    [
        ("runner/hello", {}, "nonce is missing"),
        ("runner/hello", {"nonce": None}, "nonce is missing"),
        ("runner/hello", {"nonce": True}, "nonce is missing"),
        ("runner/hello", {"nonce": ["a"]}, "nonce is missing"),
        ("runner/hello", {"nonce": ""}, "1 to 200 characters"),
        ("runner/hello", {"nonce": "x" * 201}, "1 to 200 characters"),
        ("runner/hello", {"nonce": "a", "capacity": -1}, "capacity has to be"),
        ("runner/hello", {"nonce": "a", "capacity": "many"}, "capacity has to be"),
        ("runner/hello", {"nonce": "a", "capacity": 1.5}, "capacity has to be"),
        ("runner/hello", {"nonce": "a", "capacity": True}, "capacity has to be"),
        ("runner/hello", {"nonce": "a", "port": 0}, "port has to be"),
        ("runner/hello", {"nonce": "a", "port": 70000}, "port has to be"),
        ("runner/hello", {"nonce": "a", "callback_url": 5}, "callback_url has to be a text"),
        ("runner/hello", [1], "not what is expected"),
        ("runner/hello", b"{", "not what is expected"),
        ("runner/hello", b"\xff{}", "not UTF-8"),
        ("runner/update", {"capacity": 1}, "nonce is missing"),
        ("runner/update", {"nonce": "a", "job_id": "x"}, "status has to be running"),
        ("runner/update", {"nonce": "a", "status": "running"}, "job_id is missing"),
        ("job/update", {"nonce": "a", "job_id": "x", "status": "done"}, "status has to be"),
        ("job/update", {"nonce": "a", "job_id": "x", "status": 1}, "status has to be"),
        ("runner/capacity/update", {"nonce": "a", "capacity": "-3"}, "capacity has to be"),
    ],
)
async def test_bad_input_is_refused_in_words(
    tmp_path: Path, call: str, body: Any, words: str
) -> None:
    async with a_world(tmp_path) as world:
        answer = await world.post(call, body)
        assert answer.status_code == 400
        assert answer.json()["error"] is True
        assert words in answer.json()["message"]


async def test_other_calls_and_preflights(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        for method, call in (("GET", "runner/hello"), ("POST", "runner"), ("PUT", "job/update")):
            answer = await world.http.request(method, f"{API}/{call}")
            assert (answer.status_code, answer.json()["error"]) == (404, True)
        preflight = await world.http.options(f"{API}/runner/hello")
        assert (preflight.status_code, preflight.content) == (200, b"")
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        huge = await world.post("runner/hello", b'{"nonce":"' + b"x" * 100_000 + b'"}')
        assert (huge.status_code, huge.json()["error"]) == (413, True)
        slash = await world.post("runner/hello/", {"nonce": "a"})
        assert slash.json() == {"ok": True}


async def test_pages_in_a_browser_are_no_runners(tmp_path: Path) -> None:
    """A page that somebody opens on an admitted box could otherwise call in that box's name."""
    async with a_world(tmp_path) as world:
        for call in ("runner/hello", "job/update"):
            answer = await world.http.post(
                f"{API}/{call}",
                content=b'{"nonce":"a","port":6379}',
                headers={"origin": "https://somewhere.example", "content-type": "text/plain"},
            )
            assert answer.status_code == 403
            assert "browser" in answer.json()["message"]
        assert world.coordinator.runners() == []


async def test_it_can_be_switched_off(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_of(enabled=False)) as world:
        assert (await world.post("runner/hello", {"nonce": "a"})).status_code == 404


async def test_capacity_is_stated_taken_back_and_parks(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world, capacity=0) as runner:
        [job] = await world.submit()
        explained = await world.coordinator.explain(job.id)
        assert [found.kind for found in explained.verdicts] == ["slot"]
        update = {"nonce": "boot-1", "capacity": 1}
        assert (await world.post("runner/update", update)).json() == {"ok": True}
        await runner.say("completed", await runner.job())
        await world.becomes(job, "completed")
        await world.post("runner/capacity/update", {"nonce": "boot-1", "capacity": None})
        assert runners(world)[runner.identity].capacity == 3
        await world.post("runner/update", {"nonce": "another", "capacity": 9})
        await world.post("runner/update", {**update, "capacity": 9}, source="127.0.0.2")
        assert runners(world)[runner.identity].capacity == 3


async def test_one_update_may_be_of_a_job_and_of_the_capacity(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_runner(world, capacity=1) as runner:
        [job] = await world.submit()
        await runner.say("completed", await runner.job(), capacity=6)
        await world.becomes(job, "completed")
        assert runners(world)[runner.identity].capacity == 6

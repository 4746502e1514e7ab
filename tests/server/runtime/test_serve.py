"""``traffic-tui serve`` as a process: how it starts, what it leaves, how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import tomllib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from server.discovery import find_running, read_discovery
from server.model import ROLES
from tests.end_to_end.service import Service
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

JOBS = "/api/operator/v1/jobs"


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A coordinator that was started, and is ended after the test if it still runs."""
    started = Service(tmp_path)
    try:
        await started.start()
        yield started
    finally:
        await started.stop()


def refused(*arguments: str, **environment: str) -> str:
    """What ``serve`` says when it cannot start; it has to end with exit code 1."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRAFFIC_")}
    answer = subprocess.run(
        [sys.executable, "-m", "traffic_tui", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env=clean | environment,
    )
    assert (answer.returncode, answer.stdout) == (1, "")
    assert "Traceback" not in answer.stderr
    return answer.stderr


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def log_messages(service: Service) -> list[str]:
    lines = (service.data_dir / "coordinator.log").read_text().splitlines()
    return [json.loads(line)["message"] for line in lines]


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  another process's files give no signal
            await asyncio.sleep(0.02)


async def test_the_first_start_makes_private_files(service: Service) -> None:
    assert mode(service.data_dir) == 0o700
    files = {path.name: mode(path) for path in service.data_dir.iterdir()}
    assert set(files.values()) == {0o600}, files
    assert {"keys.toml", "coordinator.json", "coordinator.log", "traffic.db"} <= set(files)


async def test_keys_are_made_for_every_role_and_told_nowhere(service: Service) -> None:
    keys = tomllib.loads((service.data_dir / "keys.toml").read_text())["keys"]
    assert set(keys) == set(ROLES)
    assert len(set(keys.values())) == len(ROLES)
    async with service.client("operator") as client:
        assert (await client.get(JOBS)).status_code == 200
        wrong = await client.get(JOBS, headers={"authorization": f"Bearer {keys['admin']}x"})
    assert wrong.status_code == 401
    told = (service.data_dir / "coordinator.log").read_text()
    told += (service.data_dir / "coordinator.json").read_text()
    assert not [role for role in ROLES if keys[role] in told]


async def test_it_can_be_found_while_it_runs(service: Service) -> None:
    found = read_discovery(service.data_dir)
    assert found is not None
    assert service.process is not None
    assert (found.url, found.pid) == (service.url, service.process.pid)
    assert found.data_dir == str(service.data_dir)
    assert await asyncio.to_thread(find_running, service.data_dir) == found
    await service.stop()
    assert read_discovery(service.data_dir) is None


async def test_sigterm_under_load_with_open_streams_ends_in_time(service: Service) -> None:
    acknowledged: list[int] = []

    async def submit_on_and_on(client: httpx.AsyncClient) -> None:
        while True:
            answer = await client.post(JOBS, json={"type": "noop"})
            acknowledged.append(answer.json()["job"]["number"])

    async def follow(client: httpx.AsyncClient, opened: asyncio.Event) -> bytes:
        headers = {"accept": "text/event-stream"}
        async with client.stream("GET", "/api/operator/v1/events", headers=headers) as stream:
            received = b""
            async for data in stream.aiter_raw():
                opened.set()
                received += data
            return received

    async with service.client("operator") as client:
        opened = asyncio.Event()
        stream = asyncio.create_task(follow(client, opened))
        submitters = [asyncio.create_task(submit_on_and_on(client)) for _ in range(4)]
        await asyncio.wait_for(opened.wait(), 10)
        await until(lambda: len(acknowledged) >= 50)
        began = time.monotonic()
        service.signal(signal.SIGTERM)
        assert await service.wait() == 0
        assert time.monotonic() - began < 5
        results = await asyncio.gather(*submitters, return_exceptions=True)
        assert b"submitted" in await stream
    assert all(isinstance(result, httpx.HTTPError | KeyError) for result in results), results
    await service.start()
    async with service.client("operator") as client:
        count = (await client.get(JOBS, params={"limit": 1})).json()["count"]
    assert count >= len(acknowledged)


async def test_a_parked_runner_does_not_hold_the_end(service: Service) -> None:
    async with service.client("runner") as client:
        greeting = {"name": "r", "nonce": "n", "capacity": 1, "types": ["noop"], "labels": {}}
        hello = await client.post("/api/native-v2/runner/hello", json=greeting | {"version": "1"})
        known = hello.json()
        query = {"session": known["session"], "secret": known["secret"], "wait_seconds": "30"}
        path = f"/api/native-v2/runner/{known['runner_id']}/wake"
        waiting = asyncio.create_task(client.get(path, params=query, timeout=60))
        # The first wake of a session may answer at once; from then on nothing is there for it.
        first = (await asyncio.wait({waiting}, timeout=1))[0]
        if first:
            waiting = asyncio.create_task(client.get(path, params=query, timeout=60))
        began = time.monotonic()
        service.signal(signal.SIGTERM)
        assert await service.wait() == 0
        assert time.monotonic() - began < 5
        with contextlib.suppress(httpx.HTTPError):
            await waiting


async def test_sigint_ends_it_as_well(service: Service) -> None:
    service.signal(signal.SIGINT)
    assert await service.wait() == 0


async def test_a_taken_port_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        words = refused("--port", str(port), "--data-dir", str(tmp_path / "data"))
    assert f"port {port} on 127.0.0.1 is taken by another program" in words
    assert "--port" in words
    assert not (tmp_path / "data" / "coordinator.json").exists()


async def test_a_port_taken_by_a_coordinator_offers_to_attach(
    service: Service, tmp_path: Path
) -> None:
    other = ("--port", str(service.port), "--data-dir", str(tmp_path / "other"))
    words = await asyncio.to_thread(refused, *other)
    assert f"traffic-tui attach {service.url}" in words


async def test_a_second_one_on_the_same_data_is_refused(service: Service) -> None:
    flags = ("--port", "0", "--data-dir", str(service.data_dir))
    words = await asyncio.to_thread(refused, *flags)
    assert "serves" in words
    assert f"traffic-tui attach {service.url}" in words
    async with service.client("operator") as client:
        assert (await client.get(JOBS)).status_code == 200


async def test_one_that_does_not_answer_still_keeps_its_data(service: Service) -> None:
    service.signal(signal.SIGSTOP)
    try:
        flags = ("--port", "0", "--data-dir", str(service.data_dir))
        words = await asyncio.to_thread(refused, *flags)
    finally:
        service.signal(signal.SIGCONT)
    assert "in use by another coordinator" in words


async def test_after_kill_9_it_starts_again_with_all_it_acknowledged(service: Service) -> None:
    async with service.client("submit") as client:
        numbers = [
            (await client.post(JOBS, json={"type": "noop"})).json()["job"]["number"]
            for _ in range(5)
        ]
    keys = (service.data_dir / "keys.toml").read_bytes()
    await service.kill()
    assert read_discovery(service.data_dir) is not None
    assert find_running(service.data_dir) is None
    await service.start()
    assert (service.data_dir / "keys.toml").read_bytes() == keys
    async with service.client("operator") as client:
        jobs = (await client.get(JOBS)).json()["jobs"]
    assert sorted(job["number"] for job in jobs) == numbers


async def test_sighup_takes_over_what_it_can_and_says_what_not(service: Service) -> None:
    config = service.folder / "config.toml"
    text = config.read_text()
    config.write_text(
        text.replace("heartbeat_timeout = 30", "heartbeat_timeout = 31")
        + '[queues.gpu]\nlimit = 2\n[server]\ndurability = "normal"\n'
    )
    service.signal(signal.SIGHUP)
    await until(lambda: any("reloaded" in line for line in log_messages(service)))
    lines = "\n".join(log_messages(service))
    assert "leases.heartbeat_timeout_ms" in lines
    assert "queues" in lines
    assert "changed only by a restart: server.durability" in lines
    async with service.client("operator") as client:
        queues = (await client.get("/api/operator/v1/queues")).json()["queues"]
    assert {queue["name"]: queue["limit"] for queue in queues} == {"default": None, "gpu": 2}


async def test_a_key_that_was_taken_out_ends_with_sighup(service: Service) -> None:
    path = service.data_dir / "keys.toml"
    lines = path.read_text().splitlines(keepends=True)
    async with service.client("submit") as client, service.client("operator") as operator:
        assert (await client.post(JOBS, json={"type": "noop"})).status_code == 201
        path.write_text("".join(line for line in lines if not line.startswith("submit")))
        service.signal(signal.SIGHUP)
        await until(lambda: any("reloaded" in line for line in log_messages(service)))
        assert (await client.post(JOBS, json={"type": "noop"})).status_code == 401
        assert (await operator.get(JOBS)).status_code == 200
        path.chmod(0o644)
        service.signal(signal.SIGHUP)
        await until(lambda: any("not reloaded" in line for line in log_messages(service)))
        assert (await operator.get(JOBS)).status_code == 200


async def test_a_wrong_configuration_is_not_reloaded(service: Service) -> None:
    config = service.folder / "config.toml"
    config.write_text("[leases]\nheartbeat_timeout = 'soon'\n")
    service.signal(signal.SIGHUP)
    await until(lambda: any("not reloaded" in line for line in log_messages(service)))
    async with service.client("operator") as client:
        assert (await client.get(JOBS)).status_code == 200


async def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        address = str(tmp_path / "n")
        manager.bind(address)
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        service = Service(tmp_path)
        try:
            await service.start()
            assert await asyncio.to_thread(manager.recv, 100) == b"READY=1"
            service.signal(signal.SIGTERM)
            assert await service.wait() == 0
            assert await asyncio.to_thread(manager.recv, 100) == b"STOPPING=1"
        finally:
            await service.stop()


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ("[server]\nprot = 1", "did you mean server.port"),
        ("[keys]\nadmin = {file = 'none'}", "cannot be read: No such file"),
        ("[server]\nhost = 'no.such.host.invalid'", "is no address of this box"),
        ("[server.tls]\ncertificate = 'c.toml'\nkey = 'c.toml'", "certificate cannot be used"),
    ],
)
def test_what_keeps_it_from_starting_is_said(
    tmp_path: Path, configuration: str, words: str
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(configuration)
    flags = ["--config", str(config), "--data-dir", str(tmp_path / "data")]
    flags += [] if "host" in configuration else ["--port", str(free_port())]
    assert words in refused(*flags)


def test_a_key_that_is_too_short_is_refused_unshown(tmp_path: Path) -> None:
    words = refused(
        "--port", "0", "--data-dir", str(tmp_path / "data"), TRAFFIC_ADMIN_KEY="hunter2"
    )
    assert "keys.admin" in words
    assert "TRAFFIC_ADMIN_KEY" in words
    assert "hunter2" not in words


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    words = refused("--port", "0", "--data-dir", str(tmp_path / "file" / "data"))
    assert "cannot be made" in words

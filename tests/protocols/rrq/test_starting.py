"""Starting runners: what they are given, and what is said of those that do not come up."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from server.settings import KeySettings, SecretSource
from server.wire.rrq_address import Address
from tests.protocols.rrq.world import a_world, eventually, is_alive, settings_with
from tests.protocols.rrq.world import real_group as a_group

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from server.settings import RrqGroupSettings
    from tests.protocols.rrq.world import World

TELL = """
import json, os, sys
told = {"argv": sys.argv[1:], "cwd": os.getcwd(), "stdin": sys.stdin.read()}
told["env"] = dict(os.environ)
with open(os.environ["TOLD"], "w") as file:
    json.dump(told, file)
sys.stderr.write("no\\nModuleNotFoundError: No module named 'app'\\n")
sys.exit(7)
"""


def script(code: str, **changes: Any) -> RrqGroupSettings:
    return a_group(cmd=(sys.executable, "-c", code), **changes)


async def log_has(world: World, words: str) -> None:
    await eventually(
        lambda: world.runner("py/0") is not None and any(words in one for one in world.log("py/0")),
        f"the log says {words!r}",
    )


async def test_what_a_runner_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where to listen, in both ways; our environment without our keys; nothing on its input."""
    monkeypatch.setenv("THE_SUBMIT_KEY", "submit-key-of-this-test")
    monkeypatch.setenv("TRAFFIC_TUI_KEY", "operator-key-of-this-test")
    monkeypatch.setenv("INHERITED", "yes")
    told_file = tmp_path / "told.json"
    group = script(TELL, cwd=str(tmp_path), env={"TOLD": str(told_file), "MINE": "1"})
    keys = KeySettings(submit=SecretSource(env="THE_SUBMIT_KEY"))
    settings = replace(settings_with(py=group), keys=keys)
    async with a_world(tmp_path, settings) as world:
        await log_has(world, "it ended with exit code 7 before it listened")
        told = msgspec.json.decode(told_file.read_bytes())
        option, address = told["argv"]
        assert (option, told["stdin"], told["cwd"]) == ("--tcp-socket", "", str(tmp_path))
        assert told["env"]["RRQ_RUNNER_TCP_SOCKET"] == address
        assert address.startswith("127.0.0.1:")
        assert (told["env"]["INHERITED"], told["env"]["MINE"]) == ("yes", "1")
        assert not {"THE_SUBMIT_KEY", "TRAFFIC_TUI_KEY"} & set(told["env"])
        await log_has(world, "it said: \"ModuleNotFoundError: No module named 'app'\"")
        assert not world.is_connected("py/0")


async def test_a_command_that_there_is_not(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=a_group(cmd=("/no/such/runner",)))) as world:
        await log_has(world, "could not be started: [Errno 2] No such file or directory")


async def test_a_folder_that_there_is_not(tmp_path: Path) -> None:
    async with a_world(tmp_path, settings_with(py=a_group(cwd="/no/such/folder"))) as world:
        await log_has(world, "/no/such/folder")


async def test_who_does_not_listen_in_time_is_ended(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    group = script(code, ready_timeout_ms=500, stop_grace_ms=200)
    async with a_world(tmp_path, settings_with(py=group)) as world:
        await log_has(world, "it did not listen on 127.0.0.1:")
        await log_has(world, "within 0.5 s")
        await log_has(world, "ended by SIGTERM")
        assert not is_alive(int(pid_file.read_text()))


async def test_a_late_listener_is_waited_for(tmp_path: Path) -> None:
    """And found soon once it is there."""
    late = (
        "import sys, time, os; time.sleep(0.6); "
        f"os.execv({a_group().cmd[0]!r}, [{a_group().cmd[0]!r}, *sys.argv[1:]])"
    )
    group = a_group()
    group = replace(group, cmd=(sys.executable, "-c", late, *group.cmd[1:]))
    async with a_world(tmp_path, settings_with(py=group)) as world:
        assert await world.result(await world.one("py#noop")) is None


async def test_one_that_does_not_start_holds_up_no_other(tmp_path: Path) -> None:
    anywhere = a_group(tcp_socket=Address("127.0.0.1", 0))
    settings = settings_with(bad=a_group(cmd=("/no/such/runner",)), py=anywhere)
    async with a_world(tmp_path, settings) as world:
        assert await world.result(await world.one("py#noop")) is None
        found = await world.look(await world.one("bad#noop"))
        assert found.job.state == "pending"


async def test_runners_are_known_before_they_are_there(tmp_path: Path) -> None:
    """So that whoever looks sees what is wrong with them, and why a job waits."""
    settings = settings_with(py=a_group(cmd=("/no/such/runner",), pool_size=2))
    async with a_world(tmp_path, settings) as world:
        await eventually(lambda: world.runner("py/1") is not None, "it is known")
        known = world.runner("py/1")
        assert known is not None
        assert (known.protocol, known.types, known.capacity) == ("rrq", ("py#*",), 10)
        assert world.coordinator.runner_state(known) == "lost"
        job = await world.one("py#noop")
        explained = await world.coordinator.explain(job.id)
        assert {verdict.kind for verdict in explained.verdicts} == {"disconnected"}


async def test_a_first_port_that_is_taken_is_passed_over(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        group = a_group(tcp_socket=Address("127.0.0.1", port), pool_size=4)
        async with a_world(tmp_path, settings_with(py=group)) as world:
            await log_has(world, "started as process")
            [line] = [one for one in world.log("py/0") if one.startswith("started")]
            assert port < int(line.rpartition(":")[2]) <= port + 8


async def test_two_coordinators_do_not_meet(tmp_path: Path) -> None:
    """Each has its folder and its runners, and ends only those."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    settings = settings_with(py=a_group())
    async with a_world(tmp_path / "a", settings) as one:
        pid = await one.result(await one.one("py#pid"))
        async with a_world(tmp_path / "b", settings) as other:
            assert await other.result(await other.one("py#pid")) != pid
        assert is_alive(pid)
    assert not is_alive(pid)

"""An RRQ runner as a process: signals, exit codes, words, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.ports import free_port
from tests.runner.agents import AgentProcess, agent
from tests.runner.recording import until
from tests.runner.rrq_peer import peer
from tests.runner.rrq_world import ended, is_open
from traffic_tui.runner import (
    ENV_RUNNER_TCP_SOCKET,
    Registry,
    RunnerRuntime,
    parse_tcp_socket,
)
from traffic_tui.runner.parent_guard import OUTLIVE_VARIABLE, ParentGuard, is_managed
from traffic_tui.runner.tcp_socket import TcpSocket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCRIPT = """
import asyncio, time
from traffic_tui.runner import Registry, RunnerRuntime, parse_tcp_socket, run_tcp
registry = Registry()

@registry.handler("hold")
async def hold(request):
    request.print("holding")
    try:
        await asyncio.sleep(request.params.get("seconds", 3600))
    except asyncio.CancelledError:
        request.print("cancelled")
        raise

@registry.handler("big")
async def big(request):
    return "x" * 1_000_000

@registry.handler("block")
async def block(request):
    request.print("blocking")
    await asyncio.sleep(0.05)
    time.sleep(3600)

@registry.handler("pause")
async def pause(request):
    request.print("blocking")
    await asyncio.sleep(0.05)
    time.sleep(0.5)
    return "blocked"

@registry.handler("stubborn")
async def stubborn(request):
    request.print("holding")
    while True:
        try: await asyncio.sleep(3600)
        except asyncio.CancelledError: pass

"""


@contextmanager
def script(
    folder: Path, ending: str = "run_tcp(registry)", *arguments: str, **environment: str
) -> Iterator[AgentProcess]:
    """A person's script; it is killed at the end where it still runs."""
    (folder / "script.py").write_text(SCRIPT + ending)
    log = folder / "script.log"
    clean = {name: value for name, value in os.environ.items() if name != ENV_RUNNER_TCP_SOCKET}
    paths = os.pathsep.join(filter(None, sys.path))
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "script.py", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=folder,
            env={**clean, "PYTHONPATH": paths, **environment},
        )
    try:
        yield AgentProcess(process, log)
    finally:
        process.kill()
        process.wait()


async def test_a_signal_lets_what_runs_end_and_the_code_is_0(tmp_path: Path) -> None:
    port = free_port()
    with script(tmp_path, "run_tcp(registry)", "--tcp-socket", f"127.0.0.1:{port}") as running:
        await running.says(f"listening on 127.0.0.1:{port} for RRQ, with handlers for: big, block")
        async with peer(port) as asks:
            asks.request("hold", params={"seconds": 2.5})
            await running.says("holding")
            running.signal(signal.SIGTERM)
            await running.says("draining: 1 jobs run on")
            assert (await asks.receive())["status"] == "success"
            assert await asks.is_closed()
        assert await running.ends() == 0
    assert "Traceback" not in running.said()


async def test_draining_ends_in_time_for_the_orchestrator(tmp_path: Path) -> None:
    port = free_port()
    with script(tmp_path, "run_tcp(registry)", f"--tcp-socket=127.0.0.1:{port}") as running:
        await running.says("listening")
        async with peer(port) as asks:
            asks.request("hold")
            await running.says("holding")
            running.signal(signal.SIGINT)
            assert (await asks.receive())["error"]["type"] == "cancelled"
        assert await running.ends(5) == 0
    assert "cancelled" in running.said()


async def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    port = free_port()
    ending = f"RunnerRuntime(drain_seconds=None).run_tcp(registry, ('127.0.0.1', {port}))"
    with script(tmp_path, ending) as running:
        await running.says("listening")
        async with peer(port) as asks:
            asks.request("hold")
            await running.says("holding")
            running.signal()
            await running.says("draining")
            running.signal()
            assert (await asks.receive())["error"]["type"] == "cancelled"
        assert await running.ends(5) == 0


async def test_a_handler_that_cannot_be_ended_does_not_keep_the_process(tmp_path: Path) -> None:
    port = free_port()
    ending = (
        "from traffic_tui.runner import execution\n"
        "from traffic_tui.runner.connectors import rrq\n"
        "execution.LAST_WAIT_SECONDS = rrq.CANCEL_GRACE_SECONDS = 0.1\n"
        f"RunnerRuntime(drain_seconds=0.1).run_tcp(registry, ('127.0.0.1', {port}))"
    )
    with script(tmp_path, ending) as running:
        await running.says("listening")
        async with peer(port) as asks:
            asks.request("stubborn")
            await running.says("holding")
            running.signal()
            assert "ignores being cancelled" in (await asks.receive())["error"]["message"]
        assert await running.ends(10) == 1


@pytest.mark.parametrize(
    ("ending", "arguments", "code", "words"),
    [
        ("run_tcp(registry)", [], 2, "nobody said where to listen; start it with --tcp-socket"),
        ("run_tcp(registry)", ["--tcp-socket"], 2, "has to be followed by an address"),
        ("run_tcp(registry)", ["--tcp-socket", "0.0.0.0:9"], 2, "can be reached from elsewhere"),
        ("run_tcp(registry, ('10.0.0.1', 9))", [], 2, "can be reached from elsewhere"),
    ],
)
async def test_refusals_in_words(
    ending: str, arguments: list[str], code: int, words: str, tmp_path: Path
) -> None:
    with script(tmp_path, ending, *arguments) as running:
        assert await running.ends() == code
    assert words in running.said()
    assert "Traceback" not in running.said()


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with script(tmp_path, "run_tcp(registry)", "--tcp-socket", f"127.0.0.1:{port}") as running:
            assert await running.ends() == 1
    assert f"cannot listen on 127.0.0.1:{port}: " in running.said()
    assert "in use" in running.said()
    assert "Traceback" not in running.said()


async def test_the_command_line_wins_and_the_variable_is_for_old_orchestrators(
    tmp_path: Path,
) -> None:
    told, given, old = free_port(), free_port(), free_port()
    variable = {ENV_RUNNER_TCP_SOCKET: f"127.0.0.1:{old}"}
    default = f"run_tcp(registry, parse_tcp_socket('127.0.0.1:{given}'))"
    for ending, arguments, port in (
        (default, ["--tcp-socket", f"127.0.0.1:{told}"], told),
        (default, [], given),
        ("run_tcp(registry)", [], old),
    ):
        with script(tmp_path, ending, *arguments, **variable) as running:
            await running.says(f"listening on 127.0.0.1:{port} ")
            running.signal()
            assert await running.ends() == 0


async def test_a_slow_reader_is_borne_by_the_other_loop_too(tmp_path: Path) -> None:
    port = free_port()
    with script(tmp_path, "run_tcp(registry)", "--tcp-socket", f"127.0.0.1:{port}") as running:
        await running.says("listening")
        async with peer(port) as slow:
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
            sent = {slow.request("big")["request_id"] for _ in range(30)}
            await slow.writer.drain()
            slow.writer.transport.resume_reading()  # type: ignore[attr-defined]
            assert {(await slow.receive())["request_id"] for _ in range(30)} == sent
        async with peer(port) as hasty:
            hasty.request("hold")
            await running.says("holding")
            hasty.writer.write(b"\0\0\0\0")
            assert await hasty.is_closed()
        await running.says("cancelled")
        running.signal()
        assert await running.ends() == 0
    assert "Traceback" not in running.said()


async def test_a_blocking_handler_delays_its_cancel(tmp_path: Path) -> None:
    port = free_port()
    with script(tmp_path, "run_tcp(registry)", "--tcp-socket", f"127.0.0.1:{port}") as running:
        await running.says("listening")
        async with peer(port) as asks:
            sent = asks.request("pause")
            await running.says("blocking")
            await asyncio.sleep(0.1)  # so that the loop is held up by now
            asks.cancel(sent["job_id"], sent["request_id"])
            assert (await asks.receive())["result"] == "blocked"


# the parent ------------------------------------------------------------------------------------

PARENT = """
import subprocess, sys, threading, time
def start(then_seconds):
    runner = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
    print(runner.pid, flush=True)
    time.sleep(then_seconds)
if sys.argv[1] == "main":
    start(0)
else:
    seconds = 0.01 if sys.argv[1] == "passing thread" else 3600
    threading.Thread(target=start, args=(seconds,), daemon=True).start()
time.sleep(3600)
"""


@pytest.mark.parametrize("started_by", ["main", "thread", "passing thread"])
@pytest.mark.parametrize("handler", [None, "block"])
async def test_no_orphan_after_its_parent_is_killed(
    started_by: str, handler: str | None, tmp_path: Path
) -> None:
    port = free_port()
    (tmp_path / "script.py").write_text(SCRIPT + "run_tcp(registry)")
    command = [sys.executable, "script.py", "--tcp-socket", f"127.0.0.1:{port}"]
    log = tmp_path / "parent.log"
    with log.open("wb") as file:
        parent = subprocess.Popen(  # noqa: ASYNC220  (it returns at once)
            [sys.executable, "-c", PARENT, started_by, *command],
            stdout=file,
            stderr=file,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    running = AgentProcess(parent, log)
    try:
        await running.says("listening")
        runner = int(next(line for line in running.said().splitlines() if line.isdigit()))
        async with peer(port) as asks:
            if handler is not None:
                asks.request(handler)
                await running.says("blocking")
            parent.kill()
            await ended(runner)
        await until(lambda: not is_open(port))
    finally:
        parent.kill()
        parent.wait()
    if started_by == "thread":  # which the kernel is not asked to watch
        assert f"gone, so it ends; {OUTLIVE_VARIABLE}=1" in running.said()


def test_who_is_managed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV_RUNNER_TCP_SOCKET, raising=False)
    told = ["--tcp-socket", "127.0.0.1:9000"]
    assert is_managed(told)
    assert is_managed(["--tcp-socket=127.0.0.1:9000"])
    assert not is_managed(["--verbose"])
    monkeypatch.setenv(OUTLIVE_VARIABLE, "1")
    assert not is_managed(told)
    monkeypatch.delenv(OUTLIVE_VARIABLE)
    monkeypatch.setenv(ENV_RUNNER_TCP_SOCKET, "127.0.0.1:9000")
    assert is_managed([])


LOOK = """
from traffic_tui.runner import parent_guard
{change}
print("managed" if parent_guard.is_managed(["--tcp-socket", "x"]) else "by hand")
"""


@pytest.mark.parametrize("shell", [True, False])
def test_what_a_script_starts_is_not_managed(shell: bool, tmp_path: Path) -> None:
    (tmp_path / "look.py").write_text(LOOK.format(change=""))
    command = [sys.executable, str(tmp_path / "look.py")]
    done = subprocess.run(
        ["sh", "-c", f"{' '.join(command)}; true"] if shell else command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    assert done.stdout.strip() == ("by hand" if shell else "managed")


def test_what_is_typed_in_a_terminal_is_not_managed_whatever_the_shell_is_called(
    tmp_path: Path,
) -> None:
    """A parent that leads the session of a terminal, as when a person types the command."""
    (tmp_path / "look.py").write_text(LOOK.format(change="parent_guard.SHELLS = frozenset()"))
    process, terminal = pty.fork()
    if process == 0:
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        command = f"{sys.executable} {tmp_path / 'look.py'}; true"
        os.execv("/bin/sh", ["sh", "-c", command])
    said = b""
    try:
        while chunk := os.read(terminal, 1024):
            said += chunk
    except OSError:  # the end of a terminal
        pass
    os.waitpid(process, 0)
    os.close(terminal)
    assert said.strip() == b"by hand"


def test_the_guard_notices_another_parent() -> None:
    noticed = threading.Event()
    parents = iter([4000, 4000, 4001])
    guard = ParentGuard(noticed.set, poll_seconds=0.01, parent=lambda: next(parents, 4001))
    guard.start()
    assert noticed.wait(10)
    guard.stop()
    guard.stop()


def test_the_guard_of_a_service_watches_nobody() -> None:
    before = set(threading.enumerate())
    guard = ParentGuard(parent=lambda: 1)
    guard.start()
    assert not set(threading.enumerate()) - before
    guard.stop()


def test_the_guard_stops() -> None:
    before = set(threading.enumerate())
    guard = ParentGuard()
    guard.start()
    [watching] = set(threading.enumerate()) - before
    guard.stop()
    assert not watching.is_alive()


# in other programs -----------------------------------------------------------------------------


async def test_serving_on_a_loop_of_ones_own() -> None:
    registry = Registry()

    @registry.handler("greet")
    async def greet(request: object) -> str:
        return "hello"

    port = free_port()
    runtime = RunnerRuntime(max_in_flight=2)
    serving = asyncio.create_task(runtime.serve_tcp(registry, TcpSocket("127.0.0.1", port)))
    await until(lambda: is_open(port))
    async with peer(port) as asks:
        assert (await asks.call("greet"))["result"] == "hello"
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert not is_open(port)


async def test_serving_in_another_thread() -> None:
    registry = Registry()

    @registry.handler("greet")
    async def greet(request: object) -> str:
        return "hello"

    address = parse_tcp_socket(f"localhost:{free_port()}")
    runtime = RunnerRuntime()
    serving = threading.Thread(target=runtime.run_tcp, args=(registry, address), daemon=True)
    serving.start()
    await until(lambda: is_open(address.port))
    async with peer(address.port) as asks:
        assert (await asks.call("greet"))["result"] == "hello"
    runtime.stop()
    await asyncio.to_thread(serving.join, 10)
    assert not serving.is_alive()
    assert not is_open(address.port)
    runtime.stop()


def test_limits_of_the_runtime() -> None:
    for count in (0, 65):
        with pytest.raises(ValueError, match=f"max_in_flight is {count}; it goes from 1 to 64"):
            RunnerRuntime(count)


# the agent -------------------------------------------------------------------------------------


async def test_the_agent_serves_orchestrators_with_its_own_types(tmp_path: Path) -> None:
    port = free_port()
    options = {"protocol": "rrq", "tcp_socket": f"127.0.0.1:{port}", "allow_command": True}
    with agent(tmp_path, "", key="", **options) as running:
        await running.says("with handlers for: command, eval, fib, noop, wait")
        async with peer(port) as asks:
            assert (await asks.call("fib", params={"n": 10}))["result"] == 34
            failed = await asks.call("command", params={"argv": ["sh", "-c", "echo words; exit 3"]})
            assert (failed["status"], failed["error"]["details"]) == ("error", {"exit_code": 3})
            assert "words" in running.said()
            wrong = await asks.call("fib", params={"n": "ten"})
            assert (wrong["status"], wrong["error"]["type"]) == ("error", "invalid")
            held = asks.request("command", params={"argv": ["sh", "-c", "echo $$; sleep 600"]})
            await until(lambda: running.said().split()[-1].isdigit())
            asks.cancel(held["job_id"])
            assert (await asks.receive())["error"]["type"] == "cancelled"
        running.signal()
        assert await running.ends() == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"protocol": "rrq"}, "--tcp-socket is needed"),
        ({"protocol": "rrq", "tcp_socket": "0.0.0.0:9"}, "can be reached from elsewhere"),
        ({"tcp_socket": "127.0.0.1:9"}, "--tcp-socket goes with the protocol rrq"),
    ],
)
async def test_refusals_of_the_agent(
    options: dict[str, object], words: str, tmp_path: Path
) -> None:
    with agent(tmp_path, "http://127.0.0.1:9", key="", **options) as running:
        assert await running.ends() == 2
        assert words in running.said()

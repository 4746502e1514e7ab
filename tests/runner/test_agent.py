"""The agent as a process: signals, exit codes, words, and what it leaves behind."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.runner.agents import agent
from tests.runner.double import Double, serving
from tests.runner.recording import is_alive, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SLEEPER = {"argv": ["sh", "-c", "echo $$; trap 'exit 7' TERM; while :; do sleep 0.05; done"]}
STUBBORN = {"argv": ["sh", "-c", "trap '' TERM; echo $$; while :; do sleep 0.05; done"]}


@pytest.fixture
async def coordinator() -> AsyncIterator[Double]:
    made = Double()
    async with serving(made) as made.url:
        yield made


def left_in(folder: Path) -> list[str]:
    spool = folder / "data" / "spool"
    return [path.name for path in spool.iterdir()] if spool.exists() else []


async def test_a_clean_drain_ends_with_0(coordinator: Double, tmp_path: Path) -> None:
    coordinator.submit("wait", {"seconds": 1.5})
    with agent(tmp_path, coordinator.url, key="the-key") as running:
        await until(lambda: coordinator.syncs and coordinator.syncs[-1].held)
        running.signal(signal.SIGINT)
        await running.says("draining: 1 jobs run on")
        coordinator.submit("noop")
        assert await running.ends() == 0
    assert coordinator.states() == ["success"]
    assert len(coordinator.waiting) == 1
    assert left_in(tmp_path) == []


async def test_an_agent_whose_terminal_goes_away_finishes_what_runs(
    coordinator: Double, tmp_path: Path
) -> None:
    coordinator.submit("wait", {"seconds": 1.5})
    with agent(tmp_path, coordinator.url, key="the-key") as running:
        await until(lambda: coordinator.syncs and coordinator.syncs[-1].held)
        running.signal(signal.SIGHUP)
        await running.says("draining: 1 jobs run on")
        running.signal(signal.SIGHUP)  # of the shell, and of the kernel
        assert await running.ends() == 0
    assert coordinator.states() == ["success"]
    assert left_in(tmp_path) == []


async def test_an_idle_agent_ends_at_once(coordinator: Double, tmp_path: Path) -> None:
    with agent(tmp_path, coordinator.url, key="the-key") as running:
        await running.says("serving")
        running.signal()
        assert await running.ends(5) == 0


async def test_a_second_signal_stops_what_runs(coordinator: Double, tmp_path: Path) -> None:
    coordinator.submit("command", SLEEPER)
    with agent(tmp_path, coordinator.url, key="the-key", allow_command=True) as running:
        await until(lambda: coordinator.output["attempt-1", "stdout"])
        running.signal()
        await running.says("draining")
        running.signal()
        await running.says("stopping 1 jobs")
        assert await running.ends() == 0
    report = coordinator.reports[0]
    assert (report.state, report.exit_code) == ("cancelled", 7)


async def test_a_third_signal_kills_and_leaves_no_process(
    coordinator: Double, tmp_path: Path
) -> None:
    coordinator.submit("command", STUBBORN)
    with agent(tmp_path, coordinator.url, key="the-key", types=("command",)) as running:
        await until(lambda: coordinator.output["attempt-1", "stdout"])
        family = psutil.Process(running.process.pid).children(recursive=True)
        assert [child for child in family if child.cmdline()[:2] == STUBBORN["argv"][:2]]
        for words in ("draining", "stopping", "killed with 1 jobs"):
            running.signal()
            await running.says(words)
        assert await running.ends() == 1
        await until(lambda: not any(is_alive(child.pid) for child in family))


async def test_kill_9_leaves_no_process_and_the_next_agent_tidies_up(
    coordinator: Double, tmp_path: Path
) -> None:
    coordinator.submit("command", STUBBORN)
    with agent(tmp_path, coordinator.url, key="the-key", types=("command",)) as running:
        await until(lambda: coordinator.output["attempt-1", "stdout"])
        family = psutil.Process(running.process.pid).children(recursive=True)
        assert [child for child in family if child.cmdline()[:2] == STUBBORN["argv"][:2]]
        running.signal(signal.SIGKILL)
        await until(lambda: not any(is_alive(child.pid) for child in family))
    assert len(left_in(tmp_path)) == 1
    with agent(tmp_path, coordinator.url, key="the-key") as running:
        await running.says("serving")
        running.signal()
        assert await running.ends() == 0
    assert left_in(tmp_path) == []
    nonces = [hello.nonce for hello in coordinator.hellos]
    assert len(set(nonces)) == 2


async def test_a_handler_that_cannot_be_ended_does_not_keep_the_agent(
    coordinator: Double, tmp_path: Path
) -> None:
    (tmp_path / "stubborn_jobs.py").write_text(
        "import asyncio\n"
        "from traffic_tui.runner import Registry, execution\n"
        "execution.LAST_WAIT_SECONDS = 0.1\n"
        "import traffic_tui.runner.supervisor, traffic_tui.runner.agent\n"
        "traffic_tui.runner.agent.STOP_GRACE_SECONDS = 0.1\n"
        "registry = Registry()\n"
        "@registry.handler('stubborn')\n"
        "async def stubborn(request):\n"
        "    while True:\n"
        "        try: await asyncio.sleep(3600)\n"
        "        except asyncio.CancelledError: pass\n"
    )
    coordinator.submit("stubborn")
    options = {"handlers": "stubborn_jobs:registry", "types": ("stubborn",)}
    with agent(tmp_path, coordinator.url, key="the-key", **options) as running:
        await until(lambda: coordinator.syncs and coordinator.syncs[-1].held)
        assert coordinator.hellos[0].types == ["stubborn"]
        running.signal()
        await running.says("draining")
        running.signal()
        assert await running.ends(30) == 1
    assert "does not end although it was cancelled" in running.said()
    assert coordinator.states() == ["cancelled"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"key": "wrong"}, 1, "does not let this runner in: this key is not known"),
        ({"url": "control.example:8700"}, 1, "is no coordinator's address"),
        ({"key": "a b"}, 1, "characters that cannot be sent"),
        ({"handlers": "no_such_module:x"}, 1, "there is no module 'no_such_module'"),
        ({"cert": "/no/such.pem", "url": "https://127.0.0.1:9"}, 1, "certificates cannot be used"),
        ({"types": ("gpu",)}, 2, "there is no handler for 'gpu'; there are: eval, fib, noop, wait"),
        ({"capacity": 0}, 2, "the capacity is 0"),
        ({"labels": {"a": "x" * 300}}, 2, "the label 'a' is empty or longer"),
        ({"protocol": "pigeons"}, 2, "there is no protocol 'pigeons'"),
        ({"key_file": "x"}, 2, "no certificate"),
    ],
)
async def test_refusals_and_wrong_options_end_with_words(
    options: dict[str, object], code: int, words: str, coordinator: Double, tmp_path: Path
) -> None:
    told = {"url": coordinator.url, "key": "the-key", **options}
    with agent(tmp_path, told.pop("url"), key=told.pop("key"), **told) as running:  # type: ignore[arg-type]
        assert await running.ends() == code
        assert words in running.said()
        assert "Traceback" not in running.said()


async def test_never_reached_ends_with_3(tmp_path: Path) -> None:
    with agent(tmp_path, "http://127.0.0.1:9", key="k") as running:
        await running.says("cannot reach http://127.0.0.1:9")
        running.signal()
        assert await running.ends(10) == 3


async def test_defaults() -> None:
    from traffic_tui.runner.options import AgentOptions

    options = AgentOptions("http://127.0.0.1:1")
    assert options.full_name
    assert options.slots >= 1
    options.check()

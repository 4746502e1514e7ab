"""The demo's runners: real agents, as child processes of their own."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from traffic_tui.cli.demo_jobs import DemoRunner

PR_SET_PDEATHSIG = 1
STOP_SECONDS = 4.0
KILL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class AgentProcess:
    """One agent and where it logs."""

    runner: DemoRunner
    process: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        """The last line it wrote, for the person who wonders why it ended."""
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def start_agent(runner: DemoRunner, url: str, key: str, folder: Path) -> AgentProcess:
    """Start an agent that keeps everything it writes in ``folder``."""
    home = folder / runner.name
    home.mkdir(mode=0o700)
    log = home / "agent.log"
    environment = os.environ | {
        "TRAFFIC_TUI_KEY": key,
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_DATA_HOME": str(home),
        "XDG_STATE_HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    environment.pop("TRAFFIC_TUI_CONFIG", None)
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 (our own program)
            [sys.executable, "-m", __name__, str(os.getpid()), *_arguments(runner, url)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment,
            cwd=home,
            start_new_session=True,
        )
    return AgentProcess(runner, process, log)


def _arguments(runner: DemoRunner, url: str) -> list[str]:
    arguments = ["agent", "--url", url, "--name", runner.name, "--capacity", str(runner.capacity)]
    for name, value in runner.labels.items():
        arguments += ["--label", f"{name}={value}"]
    for job_type in runner.types:
        arguments += ["--type", job_type]
    return arguments


def stop_agents(agents: Sequence[AgentProcess]) -> None:
    """End all of them, in bounded time. The first signal drains, the second stops."""
    for _ in range(2):
        for agent in agents:
            _send(agent.process, signal.SIGTERM)
        time.sleep(0.05)  # two signals at once would be one
    _wait(agents, STOP_SECONDS)
    for agent in agents:
        if agent.process.poll() is None:
            _send(agent.process, signal.SIGKILL)
    _wait(agents, KILL_SECONDS)


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(number)


def _wait(agents: Sequence[AgentProcess], seconds: float) -> None:
    ends_at = time.monotonic() + seconds
    for agent in agents:
        try:
            agent.process.wait(max(0.01, ends_at - time.monotonic()))
        except subprocess.TimeoutExpired:
            continue


def main() -> None:
    """In the child: end with the parent, however that ends, and be an agent.

    Killed, not asked: an agent that is asked waits for a coordinator to tell its outcomes to, and
    that one died with the parent. The agent's guard ends the programs it had started.
    """
    from traffic_tui.cli.main import run

    parent = int(sys.argv[1])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == parent:  # else it ended before we could ask to be told
        sys.exit(run(sys.argv[2:]))


if __name__ == "__main__":
    main()

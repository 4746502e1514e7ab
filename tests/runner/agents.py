"""The agent as a process of its own, as the command line starts it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.runner.recording import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
from traffic_tui.runner.agent import run_agent
from server.settings import ImageSettings, LimitSettings
from traffic_tui.runner.options import AgentOptions, NotifyRelay
from traffic_tui.runner.sandbox.sandbox import SandboxOptions
sys.exit(run_agent(AgentOptions(**eval(sys.argv[1]))))
"""


@dataclass
class AgentProcess:
    """A running agent and what it wrote."""

    process: subprocess.Popen[bytes]
    log: Path

    def said(self) -> str:
        return self.log.read_text()

    async def says(self, words: str) -> None:
        await until(lambda: words in self.said())

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def ends(self, seconds: float = 20) -> int:
        return await asyncio.to_thread(self.process.wait, seconds)


@contextmanager
def agent(folder: Path, url: str, *, key: str, **options: object) -> Iterator[AgentProcess]:
    """Run an agent; it is killed at the end where it still runs."""
    folder.mkdir(exist_ok=True)
    log = folder / "agent.log"
    told = {"url": url, "key": key, "name": "box", **options}
    literal = repr(told)[:-1] + f", 'data_dir': Path({str(folder / 'data')!r})}}"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TRAFFIC_")}
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, literal],
            stderr=file,
            stdout=file,
            cwd=folder,
            env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    try:
        yield AgentProcess(process, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()

"""The real program in a process of its own, to be killed, stopped and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

START_SECONDS = 30
CONFIGURATION = """
[leases]
heartbeat_timeout = {lease}
offer_timeout = 6
[storage]
min_free = "1MiB"
[protocols.runpack]
submit_per_minute = 0
poll_per_minute = 0
runner_per_minute = 0
"""


@dataclass
class Service:
    """``traffic-tui serve`` on a folder and a port that stay the same over restarts."""

    folder: Path
    lease_seconds: float = 30
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    more_configuration: str = ""
    """Tables of a protocol, for those tests that are about it."""
    open_files: int = 0
    """How many it may have open at once; 0: as many as we."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data_dir(self) -> Path:
        return self.folder / "data"

    def key(self, role: str) -> str:
        """The key of a role that was made at the first start."""
        with (self.data_dir / "keys.toml").open("rb") as file:
            found = tomllib.load(file)
        return str(found.get("keys", found)[role])

    def client(self, role: str) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {self.key(role)}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=10)

    async def start(self) -> None:
        """Start, and wait until it says that it is ready."""
        self.process = self._spawn()
        assert self.process.stdout is not None
        line = await asyncio.wait_for(
            asyncio.to_thread(self.process.stdout.readline), START_SECONDS
        )
        assert line.startswith("ready "), f"it did not start: {line!r}"

    def _spawn(self) -> subprocess.Popen[str]:
        config = self.folder / "config.toml"
        text = CONFIGURATION.format(lease=self.lease_seconds) + self.more_configuration
        config.write_text(text)
        command = [sys.executable, "-m", "traffic_tui", "serve"]
        command += ["--port", str(self.port), "--config", str(config)]
        command += ["--data-dir", str(self.data_dir)]
        if self.open_files:
            limited = f'ulimit -n {self.open_files}; exec "$@"'
            command = ["sh", "-c", limited, "sh", *command]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TRAFFIC_")}
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def wait(self) -> int:
        """Wait for the end of the process; the answer is its exit code."""
        assert self.process is not None
        code = await asyncio.to_thread(self.process.wait, 20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    async def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        assert await self.wait() == -signal.SIGKILL

    async def stop(self) -> None:
        """End it if it runs."""
        if self.process is not None:
            self.signal(signal.SIGTERM)
            await self.wait()

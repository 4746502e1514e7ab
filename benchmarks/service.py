"""A coordinator of its own process and folder, to be measured from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from server.discovery import read_discovery

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION = """
[server]
durability = "{durability}"
[storage]
min_free = "1MiB"
[protocols.runpack]
submit_per_minute = 0
poll_per_minute = 0
runner_per_minute = 0
"""


@dataclass(frozen=True, slots=True)
class Service:
    """Where the coordinator is, its keys by role, and its process."""

    host: str
    port: int
    keys: dict[str, str]
    pid: int

    def cpu_seconds(self) -> float:
        """CPU time the process has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def service(
    *, durability: str = "full", folder: Path | None = None, more: str = ""
) -> Iterator[Service]:
    """Start ``traffic-tui serve`` on a free port; end it afterwards.

    Args:
        more: tables of a protocol, for its configuration.
    """
    with tempfile.TemporaryDirectory(prefix="traffic-bench-") as made:
        base = folder or Path(made)
        config = base / "bench.toml"
        config.write_text(CONFIGURATION.format(durability=durability) + more)
        data = base / "data"
        command = [sys.executable, "-m", "traffic_tui", "serve", "--port", "0"]
        command += ["--config", str(config), "--data-dir", str(data)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            url = urlsplit(ready.removeprefix("ready ").strip())
            assert url.hostname, f"the coordinator did not start: {ready!r}"
            assert url.port
            yield Service(url.hostname, url.port, _keys(data), process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def service_in(data: Path, pid: int, seconds: float) -> Service:
    """A coordinator that was started otherwise, as soon as it serves this folder."""
    until = time.monotonic() + seconds
    while (found := read_discovery(data)) is None:
        assert time.monotonic() < until, f"nobody serves {data}"
        time.sleep(0.05)
    url = urlsplit(found.url)
    assert url.hostname
    assert url.port
    return Service(url.hostname, url.port, _keys(data), pid)


def _keys(data: Path) -> dict[str, str]:
    """The keys made at the first start, by role."""
    with (data / "keys.toml").open("rb") as file:
        found = tomllib.load(file)
    keys = found.get("keys", found)
    return {role.replace("_", "-"): str(secret) for role, secret in keys.items()}

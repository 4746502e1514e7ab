"""Opening a store on disk: lock, schema, backups, what is remembered, what is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.clock import ManualClock
from server.errors import StoreError, StoreLocked
from server.store import migrations, schema
from server.store.base import Committed, JobQuery
from server.store.sqlite import SqliteStore
from tests.server.store.world import World, a_session, details

if TYPE_CHECKING:
    from server.store.base import Tx


async def opened(path: Path) -> World:
    store = SqliteStore(path, clock=ManualClock())
    await store.open()
    return World(store, ManualClock())


async def test_a_second_opener_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    world = await opened(path)
    with pytest.raises(StoreLocked, match="in use by another coordinator"):
        await opened(path)
    await world.store.close()
    await (await opened(path)).store.close()


async def test_removing_the_lock_file_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    world = await opened(path)
    path.with_name("jobs.db.lock").unlink()
    with pytest.raises(StoreLocked, match="in use by another coordinator"):
        await opened(path)
    await world.store.close()
    await (await opened(path)).store.close()


async def test_opening_twice_is_refused(tmp_path: Path) -> None:
    world = await opened(tmp_path / "jobs.db")
    with pytest.raises(StoreError, match="open already"):
        await world.store.open()
    await world.store.close()


async def test_what_was_stored_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    before = await opened(path)
    runner = await before.runner(labels={"os": "linux"})
    session = await before.run(lambda tx: tx.insert_session(a_session(runner.id, 1)))
    jobs = await before.submit(3, queue="gpu", requires={"os": "linux"})
    attempts = await before.claim(jobs[:2], runner.id, session.id)
    await before.finish(attempts[:1])
    await before.run(lambda tx: tx.append("submitted", at=1, job=1))
    await before.store.close()

    after = await opened(path)
    job = await after.job(2)

    def look(tx: Tx) -> None:
        assert tx.runners() == [runner]
        assert tx.open_sessions() == [session]
        assert tx.live_attempts(session=session.id) == [(job, attempts[1])]
        assert tx.count(job.cls, "pending") == 1
        assert tx.count(job.cls, "completed") == 1
        assert tx.active_in_queue("gpu") == 1
        assert tx.job_class(job.cls).requires == {"os": "linux"}

    await after.run(look)
    assert [one.id for one in await after.submit()] == [4]
    assert (await after.store.reads.runner_work(after.now))[runner.id].done_last_hour == 1
    await after.store.close()


async def test_ids_are_never_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    before = await opened(path)
    attempts = await before.claim(await before.submit(2))
    await before.finish(attempts)
    await before.run(lambda tx: tx.append("completed", at=before.now, job=2))
    await before.run(lambda tx: tx.delete_jobs([1, 2], at=1, by="sam"))
    later = before.now + 1
    await before.run(
        lambda tx: tx.prune(
            jobs_before=0, output_before=0, events_before=later, now=later, limit=10
        )
    )
    await before.store.close()

    after = await opened(path)
    assert await after.store.reads.last_seq() == 1
    assert await after.store.reads.first_seq() == 0
    jobs = await after.submit()
    assert [job.id for job in jobs] == [3]
    assert [attempt.id for attempt in await after.claim(jobs)] == [3]
    commits: list[Committed] = []
    after.store.on_commit(commits.append)
    await after.run(lambda tx: tx.append("submitted", at=1))
    assert [event.seq for commit in commits for event in commit.events] == [2]
    await after.store.close()


async def test_names_without_jobs_go_when_the_store_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    before = await opened(path)
    await before.submit(queue="kept")
    await before.submit(queue="gone", detail=details(owner="eve"))
    await before.run(lambda tx: tx.delete_jobs([2], at=1, by="sam"))
    await before.store.close()
    after = await opened(path)
    assert await after.run(lambda tx: [one.queue for one in tx.waiting_classes()]) == ["kept"]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT owner FROM submitters").fetchall() == [("ci",)]
    assert (await after.submit(queue="gone"))[0].id == 3
    await after.store.close()


def make_old(path: Path, steps: tuple[str, ...]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrations.migrate(db, None, steps)


SECOND = "ALTER TABLE job_details ADD COLUMN note TEXT NOT NULL DEFAULT 'none';"


async def test_an_older_file_is_backed_up_and_migrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "jobs.db"
    before = await opened(path)
    await before.submit(2)
    await before.store.close()
    steps = (*schema.MIGRATIONS, SECOND)
    monkeypatch.setattr(migrations.migrate, "__defaults__", (steps,))

    after = await opened(path)
    store = after.store
    assert isinstance(store, SqliteStore)
    backup = store.backup
    assert backup is not None and backup.name == f"jobs.db.v{len(schema.MIGRATIONS)}.bak"
    assert (await after.job(2)).id == 2
    await store.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT DISTINCT note FROM job_details").fetchall() == [("none",)]
        assert migrations.schema_version(db) == len(steps)
    with closing(sqlite3.connect(backup)) as db:
        assert db.execute("SELECT count(*) FROM jobs").fetchone() == (2,)
        assert migrations.schema_version(db) == len(schema.MIGRATIONS)


async def test_each_earlier_version_can_be_brought_up(tmp_path: Path) -> None:
    for version in range(1, len(schema.MIGRATIONS) + 1):
        path = tmp_path / f"v{version}.db"
        make_old(path, schema.MIGRATIONS[:version])
        world = await opened(path)
        assert (await world.submit())[0].id == 1
        await world.store.close()


async def test_a_step_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "jobs.db"
    await (await opened(path)).store.close()
    broken = SECOND + "\nCREATE TABLE jobs (id INTEGER);"
    monkeypatch.setattr(migrations.migrate, "__defaults__", ((*schema.MIGRATIONS, broken),))
    with pytest.raises(StoreError, match="cannot be opened"):
        await opened(path)
    monkeypatch.undo()
    world = await opened(path)
    assert (await world.submit())[0].id == 1
    await world.store.close()


async def test_a_newer_schema_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    make_old(path, (*schema.MIGRATIONS, SECOND))
    with pytest.raises(StoreError, match="Use the newer program"):
        await opened(path)


async def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (id INTEGER)")
    with pytest.raises(StoreError, match="another program"):
        await opened(path)


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        await opened(path)


def _modes(folder: Path) -> dict[str, int]:
    return {one.name: one.stat().st_mode & 0o077 for one in folder.iterdir()}


async def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    world = await opened(path)
    await world.submit()
    modes = _modes(tmp_path)
    await world.store.close()
    assert set(modes.values()) == {0}, modes


def _open_files(folder: Path) -> list[str]:
    links = [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    targets = [str(one.readlink()) for one in links if one.exists()]
    return [target for target in targets if target.startswith(str(folder))]


async def test_closing_leaves_no_thread_and_no_file_open(tmp_path: Path) -> None:
    threads = set(threading.enumerate())
    world = await opened(tmp_path / "jobs.db")
    await world.submit(5)
    pages = (world.store.reads.job_page(JobQuery()) for _ in range(8))
    assert {page.count for page in await asyncio.gather(*pages)} == {5}
    assert _open_files(tmp_path)
    await world.store.close()
    assert _open_files(tmp_path) == []
    assert set(threading.enumerate()) <= threads


async def test_a_failed_opening_leaves_no_file_open(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    make_old(path, (*schema.MIGRATIONS, SECOND))
    with pytest.raises(StoreError):
        await opened(path)
    assert _open_files(tmp_path) == []


WRITER = """
import asyncio, sys
from pathlib import Path
from server.clock import SystemClock
from server.store.sqlite import SqliteStore
from tests.server.store.world import insert, details

async def main() -> None:
    store = SqliteStore(Path(sys.argv[1]), clock=SystemClock())
    await store.open()

    def one(tx):
        (job,) = insert(tx, 1)
        tx.append("submitted", at=1, job=job.id)
        return job

    while True:
        for job in await asyncio.gather(*(store.apply(one) for _ in range(4))):
            print(job.id, job.uuid, flush=True)

asyncio.run(main())
"""


def write_until_killed(path: Path, lines: int) -> list[bytes]:
    """What a writer told of before it was killed, in the middle of its work."""
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        told += [line for line in writer.stdout if line.endswith(b"\n")]
    return told


@pytest.mark.parametrize("lines", [1, 30, 101])
async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "jobs.db"
    told = write_until_killed(path, lines)
    world = await opened(path)

    def look(tx: Tx) -> None:
        for line in told:
            number, uuid = line.decode().split()
            job = tx.job(int(number))
            assert job is not None and job.uuid == uuid
        count = tx.count(1, "pending")
        assert count >= len(told)
        assert len(tx.claimable([1], 10**6)) == count

    await world.run(look)
    assert await world.store.reads.last_seq() == await world.run(lambda tx: tx.count(1, "pending"))
    await world.store.close()

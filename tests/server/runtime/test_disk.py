"""Space that runs out: new jobs are refused, and the reserve goes so that outcomes can commit."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.runtime import CoordinatorThread, RuntimeProblem
from server.runtime.disk import (
    NEARLY_FULL_BYTES,
    RESERVE_BYTES,
    RESERVE_FILE,
    DiskGuard,
    free_bytes,
)
from server.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1024**3


class Disk:
    """A disk with as much space as a test says, and the words of the guard that watches it."""

    def __init__(self, folder: Path, free: int) -> None:
        self.free = free
        self.words: list[str] = []
        self.granted: list[int] = []
        self.looks = asyncio.Event()
        self.reserve = folder / RESERVE_FILE
        self.guard = DiskGuard(
            folder,
            GIB,
            self.hear,
            grant=self.granted.append,
            measure=lambda _: self.free,
            interval_seconds=0.01,
        )

    def hear(self, words: str) -> None:
        self.words.append(words)
        self.looks.set()

    def look(self, free: int) -> str:
        self.free = free
        self.guard.look()
        return self.words[-1]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path, 10 * GIB)


def test_below_the_minimum_submits_are_refused_in_words(disk: Disk) -> None:
    assert disk.look(10 * GIB) == ""
    assert "only 500 MiB are free" in disk.look(500 * 1024**2)
    assert "storage.min_free (1GiB)" in disk.words[-1]
    assert disk.look(2 * GIB) == ""


def test_the_reserve_is_kept_and_given_up_when_the_disk_is_nearly_full(disk: Disk) -> None:
    disk.look(10 * GIB)
    assert disk.reserve.stat().st_size == RESERVE_BYTES
    assert stat.S_IMODE(disk.reserve.stat().st_mode) == 0o600
    disk.look(NEARLY_FULL_BYTES)
    assert disk.reserve.exists()
    disk.look(NEARLY_FULL_BYTES - 1)
    assert not disk.reserve.exists()
    disk.look(GIB)  # its own making must not bring the space below the minimum again
    assert not disk.reserve.exists()
    disk.look(2 * GIB)
    assert disk.reserve.exists()


def test_output_may_not_use_up_what_is_kept_back(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.look(2 * GIB)
    assert disk.granted[-1] > GIB // 2
    disk.look(NEARLY_FULL_BYTES + 2_000)
    assert disk.granted[-1] == 1_000
    for _ in range(2):
        disk.look(NEARLY_FULL_BYTES - 1)
        assert disk.granted[-1] == 0
    assert caplog.text.count("console output is left with its runners") == 1
    disk.look(GIB)
    assert caplog.text.count("console output is taken in again") == 1


def test_a_reserve_that_cannot_be_had_or_given_up_hinders_nothing_else(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.reserve.mkdir()
    for free in (10 * GIB, 1, 1):
        disk.look(free)
    assert "are free" in disk.words[-1]
    assert disk.granted[-1] == 0
    assert caplog.text.count("no reserve can be kept") == 1


def test_a_folder_that_cannot_be_measured_changes_nothing(
    disk: Disk, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk.look(1)
    assert disk.words[-1]
    disk.guard = DiskGuard(tmp_path, GIB, disk.hear, measure=_broken)
    disk.guard.look()
    disk.guard.look()
    assert len(disk.words) == 1
    assert caplog.text.count("cannot be told") == 1, "said once, not every few seconds"


def _broken(folder: Path) -> int:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_folder_that_is_gone_takes_no_jobs_until_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, words = tmp_path / "data", list[str]()
    guard = DiskGuard(folder, 1, words.append)
    guard.look()
    guard.look()
    assert words[0] == words[1]
    assert f"{folder} is gone" in words[0]
    assert len(caplog.records) == 1, "said once, not every few seconds"
    folder.mkdir()
    guard.look()
    assert words[-1] == ""


def test_what_is_really_free_is_told(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) > 0


async def test_it_looks_by_itself_until_stopped(disk: Disk) -> None:
    await disk.guard.start()
    assert disk.words[-1] == ""
    disk.looks.clear()
    disk.free = 1
    async with asyncio.timeout(10):
        while not disk.words[-1]:
            disk.looks.clear()
            await disk.looks.wait()
    await disk.guard.stop()
    await disk.guard.stop()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "disk guard"]


def test_a_start_on_a_nearly_full_disk_has_the_reserve_before_the_store_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = Settings()
    settings = replace(defaults, server=replace(defaults.server, port=0))
    (tmp_path / RESERVE_FILE).write_bytes(b"kept back")
    (tmp_path / "traffic.db").write_bytes(b"no database" * 1_000)
    monkeypatch.setattr("server.runtime.disk.NEARLY_FULL_BYTES", 2**62)
    with pytest.raises(RuntimeProblem, match="cannot be opened"):
        CoordinatorThread(settings, tmp_path, on_crash=lambda _: None).start()
    opened = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]  # noqa: PTH208
    database = tmp_path / "traffic.db"
    assert not any(os.path.exists(one) and os.path.samefile(one, database) for one in opened)  # noqa: PTH110, PTH121
    assert not (tmp_path / RESERVE_FILE).exists()

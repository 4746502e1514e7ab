"""The coordinator beside a console: started, asked, ended, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.runtime import CoordinatorGone, CoordinatorThread, RuntimeProblem
from server.runtime.loops import new_event_loop
from server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


def settings(port: int = 0) -> Settings:
    defaults = Settings()
    return replace(
        defaults,
        server=replace(defaults.server, port=port),
        storage=replace(defaults.storage, min_free=0),
    )


class Crashes(list[BaseException]):
    """What a thread reported, and a way to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.happened = threading.Event()

    def __call__(self, error: BaseException) -> None:
        self.append(error)
        self.happened.set()


@pytest.fixture
def crashes() -> Crashes:
    return Crashes()


@pytest.fixture
def thread(tmp_path: Path, crashes: Crashes) -> Iterator[CoordinatorThread]:
    started = CoordinatorThread(settings(), tmp_path / "data", on_crash=crashes)
    started.start()
    yield started
    assert started.stop()


def open_files() -> set[str]:
    """What this process has open, by what it is."""
    new_event_loop().close()  # the first one makes a pipe that is kept for the whole process
    names = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            names.add(f"{link.name}: {link.readlink()}")
        except FileNotFoundError:
            continue  # the listing's own
    return names


async def loop_of(_: CoordinatorThread) -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


async def test_calls_run_on_its_own_loop_and_answer_on_ours(thread: CoordinatorThread) -> None:
    assert await thread.call(loop_of(thread)) is not asyncio.get_running_loop()
    assert await thread.call(asyncio.sleep(0, "answer")) == "answer"


async def test_errors_of_calls_come_back(thread: CoordinatorThread) -> None:
    async def fail() -> None:
        raise LookupError("there is none")

    with pytest.raises(LookupError, match="there is none"):
        await thread.call(fail())
    assert thread.is_running


async def test_a_call_that_is_given_up_is_cancelled_there(thread: CoordinatorThread) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    async def wait_forever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    call = asyncio.create_task(thread.call(wait_forever()))
    assert await asyncio.to_thread(begun.wait, 10)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(cancelled.wait, 10)


async def test_calls_after_the_end_say_so(tmp_path: Path, crashes: Crashes) -> None:
    thread = CoordinatorThread(settings(), tmp_path / "data", on_crash=crashes)
    with pytest.raises(CoordinatorGone):
        await thread.call(asyncio.sleep(0))
    thread.start()
    waiting = asyncio.create_task(thread.call(asyncio.Event().wait()))
    await thread.call(asyncio.sleep(0))
    assert await asyncio.to_thread(thread.stop)
    with pytest.raises(CoordinatorGone):
        await waiting
    with pytest.raises(CoordinatorGone):
        await thread.call(asyncio.sleep(0))
    with pytest.raises(CoordinatorGone):
        _ = thread.server
    assert thread.stop()
    assert crashes == []


def test_nothing_is_left_behind(tmp_path: Path, crashes: Crashes) -> None:
    gc.collect()  # of earlier tests
    before_threads, before_files = set(threading.enumerate()), open_files()
    for _ in range(2):
        thread = CoordinatorThread(settings(), tmp_path / "data", on_crash=crashes)
        thread.start()
        assert thread.stop()
    gc.collect()
    assert not set(threading.enumerate()) - before_threads
    assert not open_files() - before_files
    assert not (tmp_path / "data" / "coordinator.json").exists()
    assert crashes == []


def test_a_start_that_fails_says_why_and_leaves_nothing(tmp_path: Path, crashes: Crashes) -> None:
    before_threads = set(threading.enumerate())
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        gc.collect()  # of earlier tests
        before_files = open_files()
        thread = CoordinatorThread(settings(port), tmp_path / "data", on_crash=crashes)
        with pytest.raises(RuntimeProblem, match="is taken by another program"):
            thread.start()
        gc.collect()
        assert not open_files() - before_files
    assert not set(threading.enumerate()) - before_threads
    assert not thread.is_running
    assert thread.stop()
    assert crashes == []


def test_a_second_one_on_the_same_data_is_refused(
    thread: CoordinatorThread, tmp_path: Path, crashes: Crashes
) -> None:
    second = CoordinatorThread(settings(), tmp_path / "data", on_crash=crashes)
    with pytest.raises(RuntimeProblem, match="traffic-tui attach"):
        second.start()
    assert thread.is_running


async def test_an_end_that_nobody_asked_for_is_reported(tmp_path: Path, crashes: Crashes) -> None:
    thread = CoordinatorThread(settings(), tmp_path / "data", on_crash=crashes)
    thread.start()

    async def break_the_http_server() -> None:
        [server] = [task for task in asyncio.all_tasks() if task.get_name() == "http server"]
        server.cancel()

    await thread.call(break_the_http_server())
    assert await asyncio.to_thread(crashes.happened.wait, 10)
    assert thread.stop()
    assert not thread.is_running
    assert len(crashes) == 1
    assert "HTTP server ended" in str(crashes[0])
    assert not (tmp_path / "data" / "coordinator.json").exists()
    assert "HTTP server ended" in (tmp_path / "data" / "coordinator.log").read_text()

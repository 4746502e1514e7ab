"""External runners whose connections break again and again, whoever is on them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from server.protocols.rrq import external
from server.protocols.rrq.connection import dial
from server.protocols.rrq.pauses import Pauses
from server.wire.rrq_address import Address
from server.wire.rrq_frames import frame_bytes
from tests.protocols.rrq.double import Double, a_double, dialling
from tests.protocols.rrq.world import a_world, dialled, eventually, settings_with

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    import pytest


class Tunnel:
    """Takes connections for a runner behind it, and cuts the first ones, each in its time.

    Args:
        lives: how long each of those holds, in seconds.
    """

    def __init__(self, runner: Double, lives: Iterable[float]) -> None:
        self._lives = iter(lives)
        self._runner = runner
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Address]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield Address(*server.sockets[0].getsockname()[:2])
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        life = next(self._lives, None)
        if life is not None:
            await asyncio.sleep(life)
            writer.close()
            return
        host, port = self._runner.address
        far_reader, far_writer = await asyncio.open_connection(host, port)
        await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


async def test_a_tunnel_to_nowhere_costs_its_jobs_one_loss_at_most(tmp_path: Path) -> None:
    """It takes connections and cuts them, with a job on them or not."""
    lives = [0.5, *[0.02] * 4]  # the job is on the first one: the others are shorter by far
    async with a_double() as runner, Tunnel(runner, lives).open() as address:
        async with a_world(tmp_path, settings_with(py=dialled(address))) as world:
            job = await world.one("py#x")
            runner.answer(await runner.request())
            found = await world.ended(job)
            assert (found.job.state, found.job.losses) == ("completed", 1)
            assert found.job.tries == 1


async def test_a_job_that_breaks_every_connection_is_charged_and_ends(tmp_path: Path) -> None:
    """Connections hold with nothing on them: then it is the job."""
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        for _ in range(4):
            (await runner.request()).over.close()
        found = await world.ended(job)
        assert (found.job.state, found.job.losses) == ("failed", 4)


async def test_a_trial_is_over_with_the_first_answer_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "TRIAL_FACTOR", 1e9)
    monkeypatch.setattr(external, "LONGEST_TRIAL_SECONDS", 0.2)
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        (await runner.request()).over.close()
        runner.answer(await runner.request())
        await world.result(job)
        monkeypatch.setattr(external, "LONGEST_TRIAL_SECONDS", 1e9)
        runner.connections[0].close()  # nothing was on it: no trial
        await eventually(lambda: bool(runner.connections), "it is connected again")
        job = await world.one("py#x")
        runner.answer(await runner.request())
        await world.result(job)


async def test_a_connection_on_trial_that_talks_on_is_ended() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(frame_bytes(b"{}" * 1_000) * 20)
                await writer.drain()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    connection = await dial(Address(*server.sockets[0].getsockname()[:2]), seconds=5)
    async with asyncio.timeout(10):
        await connection.lost.wait()
    assert connection.loss == "the runner talks on without having been asked anything"
    server.close()


async def test_a_connection_on_trial_ends_with_the_coordinator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "TRIAL_FACTOR", 1e9)
    monkeypatch.setattr(external, "LONGEST_TRIAL_SECONDS", 1e9)
    async with a_double() as runner:
        async with a_world(tmp_path, settings_with(py=dialled(runner.address))) as world:
            await world.one("py#x")
            (await runner.request()).over.close()
            await eventually(lambda: not runner.connections, "the first is gone")
            await eventually(lambda: bool(runner.connections), "another is on trial")
            assert not world.is_connected("py/0")
        await eventually(lambda: not runner.connections, "it is ended")


async def test_whatever_closes_each_connection_is_dialled_ever_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its lives stands in the events, and it is not even a runner."""
    made: dict[float, list[str]] = {}

    class Noted(Pauses):
        def __init__(self, first_seconds: float, longest_seconds: float) -> None:
            super().__init__(first_seconds, longest_seconds)
            self.calls = made.setdefault(longest_seconds, [])

        def next(self) -> float:
            self.calls.append("next")
            return 0.001

        def reset(self) -> None:
            self.calls.append("reset")

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    monkeypatch.setattr(external, "Pauses", Noted)
    server = await asyncio.start_server(close, "127.0.0.1", 0)
    address = Address(*server.sockets[0].getsockname()[:2])
    async with a_world(tmp_path, settings_with(py=dialled(address))):
        broken = made.setdefault(external.LONGEST_BREAK_SECONDS, [])
        await eventually(lambda: len(broken) >= 5, "it is dialled again")
        assert set(broken) == {"next"}  # each pause is longer than the last
    server.close()


async def test_a_runner_that_answers_is_dialled_at_once_when_it_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(external, "LONGEST_BREAK_SECONDS", 1e9)
    resets: list[None] = []
    monkeypatch.setattr(Pauses, "reset", lambda _: resets.append(None))
    async with dialling(tmp_path) as (runner, world):
        await eventually(lambda: bool(runner.connections), "it is connected")
        job = await world.one("py#x")
        runner.answer(await runner.request())
        await world.result(job)
        before = len(resets)
        runner.connections[0].close()
        await eventually(lambda: len(resets) >= before + 2, "both pauses begin anew")

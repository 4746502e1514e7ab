"""What the coordinator is given to read: floods on a socket, and folders it cannot use."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from tests.end_to_end.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REQUEST = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
FLOOD_SECONDS = 10
MAX_GROWTH = 32 * 1024 * 1024


@pytest.mark.timeout(60)
async def test_whoever_asks_and_never_reads_is_cut_off_and_costs_little(tmp_path: Path) -> None:
    service = Service(tmp_path)
    await service.start()
    try:
        assert service.process is not None
        process = psutil.Process(service.process.pid)
        before = process.memory_info().rss
        assert await _is_cut_off(service)
        assert process.memory_info().rss - before < MAX_GROWTH
        async with service.client("operator") as client:
            assert (await client.get("/livez")).status_code == 200
    finally:
        await service.stop()


async def _is_cut_off(service: Service) -> bool:
    """Send requests without reading an answer, until the coordinator has had enough."""
    _, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=1)
    try:
        async with asyncio.timeout(FLOOD_SECONDS):
            while True:
                writer.write(REQUEST * 2_000)
                await writer.drain()
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    finally:
        writer.close()


@pytest.mark.timeout(60)
async def test_requests_that_are_none_do_not_push_other_lines_out_of_the_log(
    tmp_path: Path,
) -> None:
    service = Service(tmp_path)
    await service.start()
    try:
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(b"\x00 rubbish\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 400 ")
            writer.close()
            await writer.wait_closed()
    finally:
        await service.stop()
    lines = (service.data_dir / "coordinator.log").read_text().splitlines()
    assert len(lines) < 10, lines


@pytest.mark.timeout(60)
async def test_who_is_connected_is_served_while_no_further_connection_can_be(
    tmp_path: Path,
) -> None:
    service = Service(tmp_path, open_files=64)
    await service.start()
    try:
        async with service.client("operator") as client:
            assert (await client.get("/readyz")).status_code == 200
            idle = [await asyncio.open_connection("127.0.0.1", service.port) for _ in range(100)]
            assert sum([await _is_closed(reader) for reader, _ in idle[60:]]) == 40
            for path in ("/readyz", "/api/operator/v1/jobs", "/api/operator/v1/stats"):
                assert (await client.get(path)).status_code == 200, path
            submitted = await client.post("/api/operator/v1/jobs", json={"type": "noop"})
            assert submitted.status_code == 201
            figures = (await client.get("/metrics")).text
            assert "process_max_fds 64.0" in figures
            assert "traffic_connections_refused_total 0.0" not in figures
        for _, writer in idle:
            writer.close()
        async with service.client("operator") as client:
            await _until_served(client)
    finally:
        await service.stop()
    lines = (service.data_dir / "coordinator.log").read_text().splitlines()
    said = [line for line in lines if "nearly all of the 64 files" in line]
    assert len(said) == 1, lines
    assert len(lines) < 8, lines


async def _is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(5):
            return await reader.read(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


async def _until_served(client: httpx.AsyncClient) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                assert (await client.get("/livez")).status_code == 200
                return
            except httpx.TransportError:
                await asyncio.sleep(0.05)


@pytest.mark.timeout(60)
async def test_it_serves_where_its_own_small_files_cannot_be_written(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.data_dir.mkdir(mode=0o700)
    (service.data_dir / "traffic.db.lock").symlink_to("/dev/full")
    (service.data_dir / "coordinator.json").mkdir()
    await service.start()
    try:
        async with service.client("operator") as client:
            assert (await client.get("/readyz")).status_code == 200
    finally:
        await service.stop()
    said = (service.data_dir / "coordinator.log").read_text()
    assert "coordinator.json cannot be written: Is a directory; programs" in said
    assert f"--url {service.url} alone" in said
    assert not list(service.data_dir.glob(".coordinator.json.*"))


def _is_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _is_garbage(file: Path) -> None:
    file.write_bytes(b"garbage " * 2_000)


def _is_cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5_000])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("spoil", [_is_a_folder, _is_garbage, _is_cut_short])
async def test_a_database_that_cannot_be_used_is_named_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    service = Service(tmp_path)
    await service.start()
    await service.stop()
    file = service.data_dir / "traffic.db"
    spoil(file)
    command = [sys.executable, "-m", "traffic_tui", "serve", "--port", "0"]
    ended = await asyncio.to_thread(
        subprocess.run,
        [*command, "--data-dir", str(service.data_dir)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    words = ended.stderr.strip().splitlines()[-1]
    assert words.startswith(f"traffic-tui: {file} cannot be ")
    assert "bug" not in words
    assert "Traceback" not in ended.stderr

"""TLS, from the settings to a client that knows whom to trust."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import ssl
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server import tls_door
from server.discovery import find_running
from server.runtime import CoordinatorThread
from server.runtime.open_files import FileRoom
from server.settings import Settings, TlsSettings
from traffic_tui.client.base import ClientError, Unreachable
from traffic_tui.client.http import HttpClient
from traffic_tui.client.locate import locate
from traffic_tui.client.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is needed to make a certificate"
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that is its own authority; its key lies beside it."""
    folder = tmp_path_factory.mktemp("certificate")
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run(
        [*request.split(), *names, *files],
        check=True,
        capture_output=True,
        timeout=30,
    )
    return folder / "certificate.pem"


def secured(folder: Path, certificate: Path, client_ca: str = "") -> CoordinatorThread:
    key = str(certificate.with_name("key.pem"))
    tls = TlsSettings(certificate=str(certificate), key=key, client_ca=client_ca)
    defaults = Settings()
    settings = replace(defaults, server=replace(defaults.server, port=0, tls=tls))
    crashes: list[BaseException] = []
    return CoordinatorThread(settings, folder / "data", on_crash=crashes.append)


async def is_cut_off(port: int) -> bool:
    """Whether somebody who connects and is silent is cut off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionError):
            assert await reader.read(1) == b""
    writer.close()
    return True


async def test_whoever_is_silent_where_tls_begins_is_cut_off(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_door, "HANDSHAKE_SECONDS", 0.2)
    thread = secured(tmp_path, certificate)
    thread.start()
    try:
        assert await is_cut_off(int(thread.server.url.rpartition(":")[2]))
    finally:
        thread.stop()


async def test_whom_there_is_no_room_for_does_not_come_to_the_handshake(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_door, "HANDSHAKE_SECONDS", 1_000)
    monkeypatch.setattr(FileRoom, "takes", lambda room, descriptor: False)
    thread = secured(tmp_path, certificate)
    thread.start()
    try:
        assert await is_cut_off(int(thread.server.url.rpartition(":")[2]))
    finally:
        thread.stop()


async def test_a_client_trusts_whom_it_is_told_to(tmp_path: Path, certificate: Path) -> None:
    thread = secured(tmp_path, certificate)
    thread.start()
    try:
        assert thread.server.url.startswith("https://127.0.0.1:")
        assert find_running(thread.server.folder) is not None
        located = locate(data_dir=thread.server.folder, ca=certificate, environment={})
        trusting = HttpClient(located.url, located.key, trust=located.trust)
        assert (await trusting.stats()).coordinator == thread.server.coordinator.name
        await trusting.close()
        careful = HttpClient(located.url, located.key)
        with pytest.raises(Unreachable, match=r"is not trusted.*TRAFFIC_TUI_CA"):
            await careful.stats()
        await careful.close()
        plain = HttpClient(located.url.replace("https", "http"), located.key)
        with pytest.raises(Unreachable):
            await plain.stats()
        await plain.close()
    finally:
        assert thread.stop()


async def test_clients_without_a_certificate_are_kept_out_where_one_is_wanted(
    tmp_path: Path, certificate: Path
) -> None:
    thread = secured(tmp_path, certificate, client_ca=str(certificate))
    thread.start()
    try:
        assert find_running(thread.server.folder) is not None
        client = HttpClient(thread.server.url, "key", trust=Trust(certificate))
        with pytest.raises(Unreachable, match="may want a client certificate"):
            await client.stats()
        await client.close()
        key = certificate.with_name("key.pem")
        known = HttpClient(thread.server.url, "wrong", trust=Trust(certificate, certificate, key))
        with pytest.raises(ClientError) as refused:  # let in, and only then asked for the key
            await known.stats()
        assert refused.value.code == "unauthenticated"
        await known.close()
    finally:
        assert thread.stop()


async def test_files_that_cannot_be_used_are_named(tmp_path: Path, certificate: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing of the kind")
    for trust in (
        Trust(certificate, tmp_path / "missing.pem"),
        Trust(certificate, broken, broken),
        Trust(certificate, certificate, tmp_path / "missing.pem"),
    ):
        client = HttpClient("https://127.0.0.1:1", trust=trust)
        with pytest.raises(Unreachable, match=r"(missing|broken)\.pem"):
            await client.stats()


async def listens(client: HttpClient) -> None:
    async for _ in client.follow():
        pass


@pytest.mark.parametrize("asks", [HttpClient.stats, listens])
async def test_what_is_no_tls_in_the_middle_of_it_is_no_answer(
    certificate: Path, asks: Callable[[HttpClient], Awaitable[object]]
) -> None:
    """As of a box on the way that answers in the coordinator's place, or a bit that was turned."""

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        os.write(writer.get_extra_info("socket").fileno(), b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    async with await asyncio.start_server(attend, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        client = HttpClient(f"https://127.0.0.1:{port}", "key", trust=Trust(certificate))
        with pytest.raises(Unreachable, match="does not speak TLS with us"):
            await asks(client)
        await client.close()

"""The agent over TLS: whom it trusts, and what it shows of itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.agents import agent
from tests.runner.double import Double, serving
from traffic_tui.runner.connectors.link import Address, Link, Unreachable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is needed to make a certificate"
)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that is its own authority; its key lies beside it."""
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "certificate.pem")]
    subprocess.run([*request.split(), *names, *files], check=True, capture_output=True)
    return tmp_path / "certificate.pem"


async def test_mutual_tls(tmp_path: Path, certificate: Path) -> None:
    key = str(certificate.with_name("key.pem"))
    coordinator = Double()
    tls: dict[str, Any] = {
        "ssl_certfile": str(certificate),
        "ssl_keyfile": key,
        "ssl_ca_certs": str(certificate),
        "ssl_cert_reqs": ssl.CERT_REQUIRED,
    }
    async with serving(coordinator, **tls) as url:
        trusting = {"ca": str(certificate), "cert": str(certificate), "key_file": key}
        with agent(tmp_path / "a", url, key="the-key", **trusting) as running:
            await running.says("serving https://")
            running.signal()
            assert await running.ends() == 0
        with agent(tmp_path / "b", url, key="the-key") as running:
            await running.says("cannot reach https://")
            running.signal()
            assert await running.ends() == 3
    assert len(coordinator.hellos) == 1


async def test_what_is_no_tls_in_the_middle_of_it_is_no_answer(certificate: Path) -> None:
    """As of a box on the way that answers in the coordinator's place, or a bit that was turned."""

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        os.write(writer.get_extra_info("socket").fileno(), b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    async with await asyncio.start_server(attend, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        link = Link(Address(f"https://127.0.0.1:{port}", "the-key", str(certificate)))
        with pytest.raises(Unreachable, match="wrong version number"):
            await link.call("GET", "/")
        await link.close()

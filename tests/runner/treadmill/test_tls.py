"""A supervisor over TLS: whom it trusts, and what it shows of itself."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from tests.runner.agents import agent
from tests.runner.test_tls import certificate, pytestmark  # noqa: F401  (a fixture)
from tests.runner.treadmill.switchboard import SUPERVISOR, TOKEN, Switchboard, serving

if TYPE_CHECKING:
    from pathlib import Path


async def test_mutual_tls(tmp_path: Path, certificate: Path) -> None:  # noqa: F811
    key = str(certificate.with_name("key.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate))
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    supervisor: dict[str, Any] = {"protocol": "treadmill", "name": SUPERVISOR}
    async with serving(Switchboard(), tls=context) as switchboard:
        trusting = {"ca": str(certificate), "cert": str(certificate), "key_file": key}
        url = switchboard.url
        with agent(tmp_path / "a", url, key=TOKEN, **supervisor, **trusting) as running:
            await switchboard.connected()
            assert await switchboard.ask() == {"type": "idle"}
            running.signal()
            assert await running.ends() == 0
        with agent(tmp_path / "b", url, key=TOKEN, **supervisor) as running:
            await running.says("trying again each second")
            assert "certificate verify failed" in running.said()
            running.signal()
            assert await running.ends() == 3
    assert len(switchboard.requests) == 1

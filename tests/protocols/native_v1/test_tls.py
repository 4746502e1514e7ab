"""Webhooks over TLS: the certificate has to be for the address, and trusted by this box."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from server.runtime.problems import RuntimeProblem
from tests.protocols.native_v1.runner import Runner, a_runner
from tests.protocols.native_v1.world import a_world, settings_of, until

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from tests.protocols.native_v1.world import World

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is needed to make a certificate"
)
HTTPS = "https://{ip}:{port}/internal/traffic-light/job/create"


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that is its own authority; its key lies beside it."""
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "certificate.pem")]
    subprocess.run([*request.split(), *names, *files], check=True, capture_output=True)
    return tmp_path / "certificate.pem"


def context_of(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    return context


async def is_faulty(world: World) -> bool:
    return world.coordinator.fault(1) != ""


async def test_a_trusted_certificate(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    async with a_world(tmp_path / "data", settings_of(webhook=HTTPS)) as world:
        runner = Runner(world, nonce="a", style="code")
        await runner.listen(context_of(certificate))
        try:
            await runner.hello()
            [job] = await world.submit()
            await runner.say("completed", await runner.job())
            await world.becomes(job, "completed")
        finally:
            await runner.die()


async def test_an_authority_of_ones_own(tmp_path: Path, certificate: Path) -> None:
    settings = settings_of(webhook=HTTPS, webhook_ca=str(certificate))
    async with a_world(tmp_path / "data", settings) as world:
        runner = Runner(world, nonce="a", style="code")
        await runner.listen(context_of(certificate))
        try:
            await runner.hello()
            [job] = await world.submit()
            await runner.say("completed", await runner.job())
            await world.becomes(job, "completed")
        finally:
            await runner.die()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.pem", "no such file or directory"),
        ("key.pem", "there is no certificate in it"),
        ("empty.pem", "there is no certificate in it"),
        ("", "is a directory"),
    ],
)
async def test_an_authority_that_cannot_be_read_is_said_at_the_start(
    tmp_path: Path, certificate: Path, name: str, why: str
) -> None:
    (tmp_path / "empty.pem").touch()
    file = tmp_path / name if name else tmp_path
    with pytest.raises(RuntimeProblem) as told:
        async with a_world(tmp_path / "data", settings_of(webhook_ca=str(file))):
            raise AssertionError("it started")
    words = f"protocols.native-v1.webhook_ca: {file} cannot be used ({why}); it takes a PEM file"
    assert words in str(told.value)


async def test_one_that_is_not_trusted_is_faulty_but_there(
    tmp_path: Path, certificate: Path
) -> None:
    settings = settings_of(webhook=HTTPS, lease_ms=400)
    async with a_world(tmp_path / "data", settings) as world:
        runner = Runner(world, nonce="a", style="code")
        await runner.listen(context_of(certificate))
        try:
            await runner.hello()
            await world.submit()
            await until(lambda: is_faulty(world), "it is marked")
            assert "certificate verify failed" in world.coordinator.fault(1)
            kinds = await world.event_kinds()

            async def is_tried_again() -> bool:
                return (await world.event_kinds()).count("runner_faulty") > 2

            await until(is_tried_again, "it is tried again, and again")
            assert "runner_recovered" not in kinds
            assert world.runner_state(runner.identity) == "faulty"  # never lost: it listens
            assert runner.jobs == []
        finally:
            await runner.die()


async def test_an_answer_that_is_no_tls_is_a_fault_and_the_job_goes_on(
    tmp_path: Path, certificate: Path
) -> None:
    async def broken(job: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        os.write(writer.get_extra_info("socket").fileno(), b"HTTP/1.1 502 Bad Gateway\r\n\r\n")

    settings = settings_of(webhook=HTTPS, webhook_ca=str(certificate))
    async with a_world(tmp_path / "data", settings) as world:
        runner = Runner(world, nonce="a", style="code")
        runner.answer = broken
        await runner.listen(context_of(certificate))
        try:
            await runner.hello()
            [job] = await world.submit()
            await until(lambda: is_faulty(world), "it is marked")
            assert "TLS: " in world.coordinator.fault(1)
            assert await world.state(job) == "pending"
        finally:
            await runner.die()


async def test_one_without_tls_is_faulty(tmp_path: Path) -> None:
    settings = settings_of(webhook=HTTPS)
    async with a_world(tmp_path, settings) as world, a_runner(world):
        await world.submit()
        await until(lambda: is_faulty(world), "it is marked")
        assert world.coordinator.fault(1).startswith("TLS: ")

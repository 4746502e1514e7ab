"""Who may connect, and what they may do."""

from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpclib.reflection.v1.reflection_pb2 import (
    ServerReflectionRequest,
    ServerReflectionResponse,
)

from server.protocols.workernator.access import NotAllowed, caller
from server.settings import WorkernatorUser
from server.wire.workernator import final_pb2
from tests.protocols.workernator.world import FINAL, World, a_world
from traffic_tui import certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

UNKNOWN_JOB = final_pb2.JobStatusRequest(id="9m4e2mr0ui3e8a215n4g")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


def subject(**fields: str) -> dict[str, Any]:
    return {"subject": tuple(((name, value),) for name, value in fields.items())}


GOOD = {
    "commonName": "client",
    "organizationName": "Teleport",
    "organizationalUnitName": "workernator",
    "localityName": "alice",
}
USERS = {"alice": WorkernatorUser(start="own", status="super")}


def test_a_user_is_known_by_the_certificate() -> None:
    found = caller(subject(**GOOD), USERS, "status", "10.0.0.1")
    assert (found.user, found.scope, found.actor.via) == ("alice", "super", "workernator")


@pytest.mark.parametrize(
    ("changed", "call"),
    [
        ({"commonName": "server"}, "start"),
        ({"organizationName": "Else"}, "start"),
        ({"organizationalUnitName": "else"}, "start"),
        ({"localityName": "mallory"}, "start"),
        ({"localityName": ""}, "start"),
        ({}, "stop"),
        ({}, "output"),
    ],
)
def test_what_is_not_granted_is_refused(changed: dict[str, str], call: Any) -> None:
    with pytest.raises(NotAllowed, match="unable to authorize"):
        caller(subject(**{**GOOD, **changed}), USERS, call, "")


def test_without_a_certificate_nobody_is_anybody() -> None:
    with pytest.raises(NotAllowed):
        caller(None, USERS, "status", "")


async def test_calls_of_users_without_a_grant_are_refused(world: World) -> None:
    for user, path, request in (
        ("nobody", f"{FINAL}Status", UNKNOWN_JOB),
        ("bob", f"{FINAL}Stop", final_pb2.JobStopRequest(id=UNKNOWN_JOB.id)),
    ):
        error = await world.connect(user).refused(path, request)
        assert error.code() == grpc.StatusCode.UNAUTHENTICATED
        assert error.details().startswith("unable to authorize")
        assert user in error.details()


async def test_jobs_of_others_are_not_found_but_by_who_sees_all(world: World) -> None:
    async with world.agent():
        first = await world.connect("alice").start("echo", "mine")
        second = await world.connect("alice").start("echo", "mine too")
        for job in (first, second):
            error = await world.connect("bob").refused(
                f"{FINAL}Status", final_pb2.JobStatusRequest(id=job.id)
            )
            assert error.code() == grpc.StatusCode.NOT_FOUND
            assert error.details() == f"no job found for id '{job.id}'"
            assert (await world.connect("alice").status(job.id)).id == job.id
        assert await world.connect("admin").output(first.id) == b"mine\n"


async def test_only_tls_1_3_is_spoken(world: World, caplog: pytest.LogCaptureFixture) -> None:
    context = ssl.create_default_context(cafile=str(world.certificates / "ca.pem"))
    context.load_cert_chain(world.certificates / "alice.pem", world.certificates / "alice.key")
    context.set_alpn_protocols(["h2"])
    _, writer = await asyncio.open_connection("localhost", world.port, ssl=context)
    encrypted = writer.get_extra_info("ssl_object")
    assert (encrypted.version(), encrypted.selected_alpn_protocol()) == ("TLSv1.3", "h2")
    writer.close()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with caplog.at_level(logging.WARNING), pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("localhost", world.port, ssl=context)
    assert "it does not speak TLS 1.3" in caplog.text


async def refusal(world: World, context: ssl.SSLContext) -> None:
    """Connect with a certificate that the server will not have: it says so after the handshake."""
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        reader, writer = await asyncio.open_connection("localhost", world.port, ssl=context)
        try:
            while True:  # the server's settings come first where it takes the connection
                await asyncio.wait_for(reader.readexactly(1), 20)
        finally:
            writer.close()


async def test_a_client_needs_a_certificate_of_the_authority(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    context = ssl.create_default_context(cafile=str(world.certificates / "ca.pem"))
    await refusal(world, context)
    assert "it showed no certificate" in caplog.text
    other = tmp_path / "other"
    certificates.init(other, [])
    certificates.issue(other, "alice", "alice")
    context.load_cert_chain(other / "alice.pem", other / "alice.key")
    await refusal(world, context)
    assert "its certificate: " in caplog.text


async def test_the_key_usage_of_the_original_recipe_is_refused_with_the_reason(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    pem, key = faulty_client(world.certificates, tmp_path)
    assert "digitalSignature" in certificates.usage_problem(pem.read_bytes())
    context = ssl.create_default_context(cafile=str(world.certificates / "ca.pem"))
    context.load_cert_chain(pem, key)
    await refusal(world, context)
    assert "lacks digitalSignature" in caplog.text


def faulty_client(folder: Path, where: Path) -> tuple[Path, Path]:
    """A client's certificate as Workernator's own recipe makes it."""
    authority = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    signer = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    usage = x509.KeyUsage(False, False, True, False, False, False, False, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(usage, critical=True)
        .sign(signer, hashes.SHA256())
    )
    pem = where / "faulty.pem"
    pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (where / "faulty.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem, where / "faulty.key"


async def test_the_services_describe_themselves(world: World) -> None:
    ask = world.connect("alice").channel.stream_stream(
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )
    symbol = "seanhagen.pb.Service"
    requests = [
        ServerReflectionRequest(list_services=""),
        ServerReflectionRequest(file_containing_symbol=symbol),
    ]
    listed, described = await asyncio.to_thread(lambda: list(ask(iter(requests), timeout=20)))
    names = {service.name for service in listed.list_services_response.service}
    assert {symbol, "seanhagen.workernator.Service"} <= names
    files = [
        FileDescriptorProto.FromString(raw)
        for raw in described.file_descriptor_response.file_descriptor_proto
    ]
    services = {f"{file.package}.{each.name}": each for file in files for each in file.service}
    assert [call.name for call in services[symbol].method] == ["Start", "Stop", "Status", "Output"]

"""The port: many readers at once, rubbish, trouble at the start, a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import grpc
import pytest
from grpc_tools import protoc
from grpclib.server import Handler
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, ResponseReceived, TrailersReceived

from server import tls_door
from server.protocols.workernator.connections import ManyStreamsServer
from server.protocols.workernator.messages import MAX_MESSAGE_BYTES
from server.runtime.open_files import FileRoom
from server.runtime.problems import RuntimeProblem
from server.wire.workernator import final_pb2
from tests.protocols.workernator.world import FINAL, World, a_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OUTPUT = final_pb2.OutputJobRequest
READERS = 500
ROOT = Path(__file__).parents[3]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


@pytest.mark.timeout(120)
async def test_five_hundred_readers_at_once(world: World, tmp_path: Path) -> None:
    gate = tmp_path / "go on"
    async with world.agent():
        alice = world.connect("alice")
        script = f"echo first; while [ ! -e '{gate}' ]; do sleep 0.05; done; echo last"
        job = await alice.start("sh", "-c", script)
        readers = [
            alice.stream(f"{FINAL}Output", OUTPUT(id=job.id), seconds=100) for _ in range(READERS)
        ]
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(32) as pool:
            first = await asyncio.gather(
                *(loop.run_in_executor(pool, next, reader) for reader in readers)
            )
            assert {part.data for part in first} == {b"first\n"}
            gate.touch()
            rest = await asyncio.gather(
                *(loop.run_in_executor(pool, list, reader) for reader in readers)
            )
        assert {b"".join(part.data for part in parts) for parts in rest} == {b"last\n"}
        assert (await alice.status(job.id)).status == final_pb2.Finished


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\0" * 4096, b"PRI * HTTP/2.0\r\n"])
async def test_rubbish_ends_its_own_connection_alone(world: World, data: bytes) -> None:
    context = ssl.create_default_context(cafile=str(world.certificates / "ca.pem"))
    context.load_cert_chain(world.certificates / "alice.pem", world.certificates / "alice.key")
    _, writer = await asyncio.open_connection("localhost", world.port, ssl=context)
    writer.write(data)
    writer.close()
    error = await world.connect("alice").refused(
        f"{FINAL}Status", final_pb2.JobStatusRequest(id="x")
    )
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


REQUEST: list[tuple[bytes, bytes]] = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":path", f"{FINAL}Status".encode()),
    (b":authority", b"localhost"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
    (b"x-name", "Zoë".encode()),
]
UNKNOWN_FRAME = b"\0\0\1\x7a\0\0\0\0\0x"


async def test_what_is_odd_in_http_2_does_not_end_a_connection(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    client = H2Connection(H2Configuration(header_encoding=None))
    client.initiate_connection()
    preface = client.data_to_send()
    client.send_headers(1, REQUEST)
    client.send_data(1, b"\0\0\0\0\0", end_stream=True)
    reader, writer = await asyncio.open_connection(
        "localhost", world.port, ssl=client_context(world)
    )
    writer.write(preface + UNKNOWN_FRAME + client.data_to_send() + UNKNOWN_FRAME)
    status = b""
    async with asyncio.timeout(20):
        while not status:
            data = await reader.read(65_536)
            assert data, "the connection has ended"
            for event in client.receive_data(data):
                assert not isinstance(event, ConnectionTerminated)
                if isinstance(event, ResponseReceived | TrailersReceived):
                    status = dict(event.headers).get(b"grpc-status", b"")
    assert int(status) == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    writer.close()
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_request_without_a_path_is_not_left_unanswered(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    settings = H2Configuration(header_encoding=None, validate_outbound_headers=False)
    client = H2Connection(settings)
    client.initiate_connection()
    client.send_headers(1, [pair for pair in REQUEST if pair[0] != b":path"], end_stream=True)
    reader, writer = await asyncio.open_connection(
        "localhost", world.port, ssl=client_context(world)
    )
    writer.write(client.data_to_send())
    async with asyncio.timeout(20):
        await reader.read()  # to its end
    writer.close()
    assert not [record for record in caplog.records if record.exc_info]


def client_context(world: World) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(world.certificates / "ca.pem"))
    context.load_cert_chain(world.certificates / "alice.pem", world.certificates / "alice.key")
    context.set_alpn_protocols(["h2"])
    return context


async def test_whoever_is_silent_where_tls_begins_is_cut_off(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_door, "HANDSHAKE_SECONDS", 0.2)
    assert await is_cut_off(world.port)


async def test_whom_there_is_no_room_for_does_not_come_to_the_handshake(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_door, "HANDSHAKE_SECONDS", 1_000)
    monkeypatch.setattr(FileRoom, "takes", lambda room, descriptor: False)
    assert await is_cut_off(world.port)


async def is_cut_off(port: int) -> bool:
    """Whether somebody who connects and is silent is cut off."""
    reader, writer = await asyncio.open_connection("localhost", port)
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionError):
            assert await reader.read(1) == b""
    writer.close()
    return True


async def test_handshakes_that_fail_fill_neither_the_log_nor_the_memory(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    before = handlers()
    for _ in range(5):
        reader, writer = await asyncio.open_connection("localhost", world.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
    said = [record for record in caplog.records if "a client was refused" in record.message]
    assert len(said) == 1
    assert handlers() == before


def test_a_connection_whose_handshake_took_long_is_known_until_it_ends() -> None:
    """grpclib has another set of them each time that it has thrown out some."""

    async def connects() -> None:
        server = ManyStreamsServer([])
        slow = server._protocol_factory()
        for _ in range(20):
            server._protocol_factory()
        slow.connection_made(Mock(spec=asyncio.Transport, **{"get_extra_info.return_value": None}))
        assert server._handlers == {slow.handler}
        slow.connection_lost(None)

    asyncio.run(connects())


def handlers() -> int:
    """Handlers of connections there are."""
    gc.collect()
    return sum(isinstance(one, Handler) for one in gc.get_objects())


@pytest.mark.parametrize(
    ("message", "compression", "code", "words"),
    [
        (b"\xff\xff\xff\xff", None, grpc.StatusCode.INVALID_ARGUMENT, "cannot be read"),
        (b"x" * (MAX_MESSAGE_BYTES + 1), None, grpc.StatusCode.RESOURCE_EXHAUSTED, "4 MiB"),
        (b"x" * 9_999, grpc.Compression.Gzip, grpc.StatusCode.UNIMPLEMENTED, "compressed"),
    ],
)
async def test_a_message_that_is_none_fails_its_own_call_alone(
    world: World,
    caplog: pytest.LogCaptureFixture,
    message: bytes,
    compression: grpc.Compression | None,
    code: grpc.StatusCode,
    words: str,
) -> None:
    alice = world.connect("alice")
    method = alice.channel.unary_unary(f"{FINAL}Status", request_serializer=lambda raw: raw)
    with pytest.raises(grpc.RpcError) as caught:
        await asyncio.to_thread(method, message, timeout=20, compression=compression)
    assert caught.value.code() == code
    assert words in caught.value.details()
    assert not [record for record in caplog.records if record.exc_info]
    error = await alice.refused(f"{FINAL}Status", final_pb2.JobStatusRequest(id="x"))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_ending_leaves_no_task_and_lets_readers_go(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with a_world(tmp_path) as world:
        async with world.agent():
            alice = world.connect("alice")
            job = await alice.start("sleep", "60")
            reader = alice.stream(f"{FINAL}Output", OUTPUT(id=job.id))
            waiting = asyncio.ensure_future(asyncio.to_thread(list, reader))
            await world.server.stop()
            with pytest.raises(grpc.RpcError):
                await asyncio.wait_for(waiting, 20)
    assert asyncio.all_tasks() <= before


async def test_a_port_that_is_taken_is_said_in_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeProblem, match=f"{port} cannot be listened on"):
            async with a_world(tmp_path, port=port):
                raise AssertionError("it started")


@pytest.mark.parametrize("file", ["certificate", "key", "client_ca"])
async def test_files_that_cannot_be_used_are_named(tmp_path: Path, file: str) -> None:
    missing = str(tmp_path / "missing.pem")
    with pytest.raises(RuntimeProblem, match=r"missing\.pem"):
        async with a_world(tmp_path, **{file: missing}):
            raise AssertionError("it started")


@pytest.mark.parametrize("name", ["final", "draft"])
def test_the_modules_are_those_of_the_contracts(name: str, tmp_path: Path) -> None:
    contract = f"server/wire/workernator/{name}"
    known = Path(protoc.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{ROOT}", f"-I{known}", f"--python_out={tmp_path}"]
    assert protoc.main([*arguments, str(ROOT / f"{contract}.proto")]) == 0
    made, ours = (
        [line for line in module.read_text().splitlines() if "AddSerializedFile" in line]
        for module in (tmp_path / f"{contract}_pb2.py", ROOT / f"{contract}_pb2.py")
    )
    assert made == ours, "the contract has changed: make protos"

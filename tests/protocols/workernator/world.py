"""A coordinator with Workernator's port, an agent at work, and grpcio as the client."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import grpc

from server.protocols.workernator.service import WorkernatorService
from server.runtime.coordinator_server import CoordinatorServer
from server.settings import (
    ProtocolSettings,
    ServerSettings,
    Settings,
    StorageSettings,
    WorkernatorSettings,
    WorkernatorUser,
)
from server.wire.workernator import draft_pb2, final_pb2
from tests.protocols.world import eventually
from tests.runner import serving
from traffic_tui import certificates

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

SECONDS = 30.0
FINAL = "/seanhagen.pb.Service/"
DRAFT = "/seanhagen.workernator.Service/"
USERS = {
    "alice": WorkernatorUser("own", "own", "own", "own"),
    "bob": WorkernatorUser("own", "none", "own", "none"),
    "admin": WorkernatorUser("super", "super", "super", "super"),
}
RUNNER_KEY = "the-runner-key-of-this-test"
_ANSWERS: dict[str, tuple[type[Any], bool]] = {
    f"{FINAL}Start": (final_pb2.Job, False),
    f"{FINAL}Stop": (final_pb2.Job, False),
    f"{FINAL}Status": (final_pb2.Job, False),
    f"{FINAL}Output": (final_pb2.OutputJobResponse, True),
    f"{DRAFT}Start": (draft_pb2.Job, False),
    f"{DRAFT}Stop": (draft_pb2.Job, False),
    f"{DRAFT}Status": (draft_pb2.Job, False),
    f"{DRAFT}Tail": (draft_pb2.TailJobResponse, True),
}


class Client:
    """One user's connection: grpcio, which refuses certificates that Go would take."""

    def __init__(self, port: int, folder: Path, user: str) -> None:
        self.channel = grpc.secure_channel(
            f"localhost:{port}",
            grpc.ssl_channel_credentials(
                (folder / "ca.pem").read_bytes(),
                (folder / f"{user}.key").read_bytes(),
                (folder / f"{user}.pem").read_bytes(),
            ),
        )

    async def call(self, path: str, request: Any, *, seconds: float = SECONDS) -> Any:
        """The one answer of a call."""
        answer, _ = _ANSWERS[path]
        method = self.channel.unary_unary(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return await asyncio.to_thread(method, request, timeout=seconds)

    async def refused(self, path: str, request: Any, *, seconds: float = SECONDS) -> Any:
        """The error of a call that is to fail: code() and details()."""
        try:
            answer = await self.call(path, request, seconds=seconds)
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"{path} was answered: {answer}")

    def stream(self, path: str, request: Any, *, seconds: float = SECONDS) -> Iterator[Any]:
        """The answers of a call, as they come; to be read in a thread of its own."""
        answer, _ = _ANSWERS[path]
        method = self.channel.unary_stream(
            path,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return iter(method(request, timeout=seconds))

    async def all(self, path: str, request: Any, *, seconds: float = SECONDS) -> list[Any]:
        """All answers of a call."""
        return await asyncio.to_thread(list, self.stream(path, request, seconds=seconds))

    async def start(self, *argv: str) -> final_pb2.Job:
        request = final_pb2.JobStartRequest(command=argv[0], arguments=argv[1:])
        job: final_pb2.Job = await self.call(f"{FINAL}Start", request)
        return job

    async def status(self, job_id: str) -> final_pb2.Job:
        job: final_pb2.Job = await self.call(
            f"{FINAL}Status", final_pb2.JobStatusRequest(id=job_id)
        )
        return job

    async def output(self, job_id: str) -> bytes:
        parts = await self.all(f"{FINAL}Output", final_pb2.OutputJobRequest(id=job_id))
        return b"".join(part.data for part in parts)

    async def ended(self, job_id: str) -> final_pb2.Job:
        """The job once it has ended: its output ends with it."""
        await self.output(job_id)
        return await self.status(job_id)


@dataclass
class World:
    """What a test acts on."""

    server: CoordinatorServer
    certificates: Path
    port: int
    connect: Callable[[str], Client]
    folder: Path

    @asynccontextmanager
    async def agent(self, *, slots: int = 4, name: str = "box") -> AsyncIterator[serving.Serving]:
        """An agent that has said hello."""
        folder = self.folder / name
        folder.mkdir()
        async with serving.runner(
            self.server.url, folder, key=RUNNER_KEY, slots=slots, name=name
        ) as agent:
            coordinator = self.server.coordinator
            await eventually(
                lambda: any(one.name == name for one in coordinator.runners()), "it said hello"
            )
            yield agent


def make_certificates(folder: Path) -> Path:
    certificates.init(folder, [])
    for user in (*USERS, "nobody"):
        certificates.issue(folder, user, user)
    return folder


@asynccontextmanager
async def a_world(folder: Path, **changes: Any) -> AsyncIterator[World]:
    """A served coordinator without any runner.

    Args:
        changes: to the settings of Workernator.
    """
    pems = make_certificates(folder / "certs") if not (folder / "certs").exists() else None
    pems = pems or folder / "certs"
    workernator = WorkernatorSettings(
        enabled=True,
        port=0,
        certificate=str(pems / "server.pem"),
        key=str(pems / "server.key"),
        client_ca=str(pems / "ca.pem"),
        users=USERS,
    )
    settings = replace(
        Settings(),
        server=ServerSettings(port=0, durability="normal"),
        storage=StorageSettings(min_free=0, max_output=65_536),
        protocols=replace(ProtocolSettings(), workernator=replace(workernator, **changes)),
    )
    server = CoordinatorServer(
        settings, folder / "data", environment={"TRAFFIC_RUNNER_KEY": RUNNER_KEY}
    )
    await server.start()
    opened: list[Client] = []
    service = next(one for one in server.services if isinstance(one, WorkernatorService))

    def connect(user: str) -> Client:
        opened.append(Client(service.port, pems, user))
        return opened[-1]

    try:
        yield World(server, pems, service.port, connect, folder)
    finally:
        for client in opened:
            client.channel.close()
        await server.stop()

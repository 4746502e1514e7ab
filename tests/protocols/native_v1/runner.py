"""A Traffic Light runner with a real webhook, which does what a test says it does."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tests.ports import free_port
from tests.protocols.native_v1.world import DEADLINE_SECONDS

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    import httpx

    from tests.protocols.native_v1.world import World

Style: TypeAlias = Literal["code", "readme"]
"""Written by that system's code (strings, two paths) or by its README (numbers, one path)."""
Answer: TypeAlias = "Callable[[dict[str, Any], asyncio.StreamWriter], Awaitable[None]]"

WEBHOOK = b"POST /internal/traffic-light/job/create HTTP/1.1\r\n"


def status(code: int, headers: str = "", body: str = "") -> Answer:
    """Answer every job with a status."""

    async def answer(job: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n{body}"
        writer.write(head.encode())
        await writer.drain()

    return answer


async def silence(job: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    """Take the job and never answer."""
    await asyncio.Event().wait()


class Runner:
    """One life of a runner. Start it with :func:`a_runner`."""

    def __init__(self, world: World, *, nonce: str | int, style: Style) -> None:
        self.world = world
        self.nonce = nonce
        self.style = style
        self.port = free_port()  # its own after its death too
        self.answer = status(200)
        self.checks_life = False
        """Whether it looks, as our own runner does, for which boot a job is meant."""
        self.connections = 0
        """Opened to its webhook so far, those of knocks included."""
        self.jobs: list[dict[str, Any]] = []
        self.heads: list[bytes] = []
        """First lines and headers of all webhooks."""
        self._news = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}

    @property
    def identity(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def hello(self, **fields: Any) -> httpx.Response:
        return await self.world.post(
            "runner/hello", {"nonce": self.nonce, "port": self.port, **fields}
        )

    async def say(self, word: str, job: dict[str, Any], **fields: Any) -> None:
        """Report a job, as code or README have it."""
        call = "job/update" if self.style == "code" else "runner/update"
        body = {"job_id": job["job_id"], "status": word, "nonce": self.nonce, **fields}
        answer = await self.world.post(call, body)
        assert (answer.status_code, answer.json()) == (200, {"ok": True})

    async def job(self, number: int = 0) -> dict[str, Any]:
        """The job that was brought as the ``number``-th, once it was."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.jobs) > number)
        return self.jobs[number]

    async def listen(self, tls: ssl.SSLContext | None = None) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=1024 * 1024, ssl=tls
        )

    async def die(self) -> None:
        """No longer listen, cut what is open, and be busy with nothing more."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for writer, task in list(self._open.items()):
            writer.transport.abort()
            if task is not asyncio.current_task():
                task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._server is None:  # it came in while this runner died
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._open[writer] = task
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await self._take(head, await reader.readexactly(_length(head)), writer)
        except (asyncio.IncompleteReadError, OSError):
            return  # the other side hung up, or a knock
        except asyncio.CancelledError:
            return  # it died
        finally:
            self._open.pop(writer, None)
            writer.close()

    async def _take(self, head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        assert head.startswith(WEBHOOK), head
        if self.checks_life and f"x-traffic-light-nonce: {self.nonce}\r\n".encode() not in head:
            await status(409)({}, writer)
            return
        async with self._news:
            self.jobs.append(json.loads(body))
            self.heads.append(head)
            self._news.notify_all()
        await self.answer(self.jobs[-1], writer)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise AssertionError(f"no length in {head!r}")


@asynccontextmanager
async def a_runner(
    world: World,
    *,
    nonce: str | int = "boot-1",
    style: Style = "code",
    port: int | None = None,
    says_hello: bool = True,
    **fields: Any,
) -> AsyncIterator[Runner]:
    """A runner that listens, and has said hello with these fields."""
    runner = Runner(world, nonce=nonce, style=style)
    runner.port = port or runner.port
    await runner.listen()
    try:
        if says_hello:
            answer = await runner.hello(**fields)
            assert (answer.status_code, answer.json()) == (200, {"ok": True})
        yield runner
    finally:
        await runner.die()

"""Handlers of the RRQ tests: each does one thing that a runner has to answer for."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.registry import Registry

if TYPE_CHECKING:
    from traffic_tui.runner.request import ExecutionRequest


class Jobs:
    """The handlers, and what was seen of them."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.began: list[str] = []
        self.cancelled: list[str] = []
        self.seen: list[ExecutionRequest] = []
        self.go = asyncio.Event()
        for name in ("echo", "hold", "ignore", "swallow", "block", "late", "see", "value"):
            self.registry.register(name, getattr(self, name))
        for name in ("fail", "fail_silently", "time_out", "quit", "outcome", "clumsy"):
            self.registry.register(name, getattr(self, name))

    async def echo(self, request: ExecutionRequest) -> Any:
        return request.params

    async def hold(self, request: ExecutionRequest) -> str:
        """Wait until the test lets go."""
        self.began.append(request.request_id)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(request.request_id)
            raise
        return "held"

    async def ignore(self, request: ExecutionRequest) -> str:
        """Go on whatever happens, until the test lets go."""
        self.began.append(request.request_id)
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancelled.append(request.request_id)
        return "at last"

    async def swallow(self, request: ExecutionRequest) -> str:
        """End well, although cancelled."""
        self.began.append(request.request_id)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            return "done all the same"
        return "done"

    async def clumsy(self, request: ExecutionRequest) -> None:
        """Fail while tidying up."""
        self.began.append(request.request_id)
        try:
            await self.go.wait()
        finally:
            raise RuntimeError("the broom broke")

    async def block(self, request: ExecutionRequest) -> str:
        """Hold up the loop, as handlers should not."""
        time.sleep(request.params["seconds"])  # noqa: ASYNC251  (that is the case)
        return "blocked"

    async def late(self, request: ExecutionRequest) -> str:
        await asyncio.sleep(request.params["seconds"])
        return "late"

    async def see(self, request: ExecutionRequest) -> str:
        self.seen.append(request)
        return "seen"

    async def fail(self, request: ExecutionRequest) -> None:
        raise LookupError(request.params["words"])

    async def fail_silently(self, request: ExecutionRequest) -> None:
        raise LookupError

    async def time_out(self, request: ExecutionRequest) -> None:
        raise TimeoutError(request.params.get("words", ""))

    async def quit(self, request: ExecutionRequest) -> None:
        raise SystemExit(3)

    value_to_return: Any = None

    async def value(self, request: ExecutionRequest) -> Any:
        return self.value_to_return

    async def outcome(self, request: ExecutionRequest) -> ExecutionOutcome:
        ids = request.job_id, request.request_id
        given = request.params["given"]
        arguments = request.params.get("arguments", [])
        made: ExecutionOutcome = getattr(ExecutionOutcome, given)(*ids, *arguments)
        return made

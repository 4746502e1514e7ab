"""Runners and queues of the coordinator of this very process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, TypeVar

from server.wire.operator import LimitRequest, ReasonRequest
from traffic_tui.client.wire_bounds import checked_request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.model import Actor
    from server.operator import OperatorApi
    from server.roles import Power
    from server.wire.operator import (
        DrainRequest,
        OneRunnerView,
        QueuesView,
        QueueView,
        RunnersView,
        RunnerView,
    )

T = TypeVar("T")


class EmbeddedFleet(ABC):
    """The part of the embedded client that is about runners and queues."""

    _actor: Actor

    @abstractmethod
    async def _call(self, power: Power, call: Callable[[OperatorApi], Awaitable[T]]) -> T:
        """One call on the coordinator's loop, with its errors as ours."""

    async def runners(self) -> RunnersView:
        return await self._call("read", lambda api: api.runners(self._actor))

    async def runner(self, runner: str) -> RunnerView:
        return (await self.runner_with_log(runner)).runner

    async def runner_with_log(self, runner: str) -> OneRunnerView:
        return await self._call("read", lambda api: api.runner(self._actor, runner))

    async def drain(self, runner: str, request: DrainRequest) -> RunnerView:
        body = checked_request(request)
        return (
            await self._call("operate", lambda api: api.drain(self._actor, runner, body))
        ).runner

    async def resume_runner(self, runner: str, *, reason: str = "") -> RunnerView:
        body = checked_request(ReasonRequest(reason=reason))
        return (
            await self._call("operate", lambda api: api.resume_runner(self._actor, runner, body))
        ).runner

    async def forget(self, runner: str, *, reason: str = "") -> None:
        body = checked_request(ReasonRequest(reason=reason))
        await self._call("operate", lambda api: api.forget(self._actor, runner, body))

    async def queues(self) -> QueuesView:
        return await self._call("read", lambda api: api.queues(self._actor))

    async def pause_queue(self, queue: str, *, reason: str = "") -> QueueView:
        body = checked_request(ReasonRequest(reason=reason))
        return (
            await self._call("operate", lambda api: api.pause_queue(self._actor, queue, body))
        ).queue

    async def resume_queue(self, queue: str, *, reason: str = "") -> QueueView:
        body = checked_request(ReasonRequest(reason=reason))
        return (
            await self._call("operate", lambda api: api.resume_queue(self._actor, queue, body))
        ).queue

    async def limit_queue(self, queue: str, limit: int | None, *, reason: str = "") -> QueueView:
        body = checked_request(LimitRequest(limit=limit, reason=reason))
        return (
            await self._call("operate", lambda api: api.limit_queue(self._actor, queue, body))
        ).queue

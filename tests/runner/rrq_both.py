"""Handlers that run in RRQ's own Python runner and in ours; started as a program, this is ours."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import uuid
from typing import Any

RESULTS: dict[str, Any] = {
    "nothing": None,
    "numbers": [1, 1.5, -0.0, 2**63],
    "no numbers": {"nan": float("nan"), "inf": [float("inf"), float("-inf")]},
    "text": "Zoë \U0001f600 \x00\x1b",
    "tuple": (1, (2,)),
    "keys": {1: "one", "two": 2},
    "time": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
    "date": datetime.date(2026, 1, 2),
    "uuid": uuid.UUID(int=17),
    "decimal": decimal.Decimal("1.50"),
    "set": {1},
    "bytes": b"some",
    "object": object(),
    "surrogate": "\ud800",
    "large": "x" * (17 * 1024 * 1024),
}


async def echo(request: Any) -> Any:
    return request.params


async def give(request: Any) -> Any:
    return RESULTS[request.params["what"]]


async def fail(request: Any) -> None:
    raise LookupError(*request.params["words"])


async def time_out(request: Any) -> None:
    raise TimeoutError(*request.params["words"])


async def hold(request: Any) -> str:
    await asyncio.sleep(request.params.get("seconds", 30))
    return "held"


async def swallow(request: Any) -> str:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        return "done all the same"
    return "done"


async def clumsy(request: Any) -> None:
    try:
        await asyncio.sleep(30)
    finally:
        raise RuntimeError("the broom broke")


HANDLERS = {
    function.__name__: function for function in (echo, give, fail, time_out, hold, swallow, clumsy)
}


def main() -> None:
    from traffic_tui.runner import ExecutionOutcome, Registry, run_tcp

    registry = Registry()
    for name, handler in HANDLERS.items():
        registry.register(name, handler)

    @registry.handler("retry")
    async def retry(request: Any) -> ExecutionOutcome:
        return ExecutionOutcome.retry_after(request.job_id, request.request_id, "not yet", 2.5)

    @registry.handler("failure")
    async def failure(request: Any) -> ExecutionOutcome:
        ids = request.job_id, request.request_id
        return ExecutionOutcome.failure(*ids, "no", "billing", "E17", request.params["details"])

    run_tcp(registry)


if __name__ == "__main__":
    main()

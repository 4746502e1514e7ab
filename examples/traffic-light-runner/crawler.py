"""A Traffic Light runner with a handler of its own: it is brought ranges of a cursor."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime

from traffic_tui.runner import ExecutionRequest, Registry, run

registry = Registry()


@registry.handler("range")
async def crawl(request: ExecutionRequest) -> None:
    """Fetch everything from ``cursor_from`` to ``cursor_to``, both in microseconds, both included.

    A range may come again, whole, when it was lost on the way: storing twice must not matter.
    """
    first, last = request.params["cursor_from"], request.params["cursor_to"]
    await asyncio.sleep(0.1)  # here the posts of that time would be fetched, and stored
    sys.stdout.write(f"fetched {moment(first)} to {moment(last)}\n")
    sys.stdout.flush()


def moment(cursor: int) -> str:
    return datetime.fromtimestamp(cursor / 1_000_000, UTC).isoformat(timespec="milliseconds")


if __name__ == "__main__":
    run(
        registry,
        url=os.environ["TRAFFIC_TUI_URL"],
        protocol="traffic-light",
        listen=os.environ.get("LISTEN", "127.0.0.1:3000"),
        capacity=3,
    )

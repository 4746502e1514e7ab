"""A runner with one job type of its own: everything a coordinator needs is in these lines."""

from __future__ import annotations

import asyncio
import os

from traffic_tui.runner import ExecutionRequest, Registry, run

registry = Registry()


@registry.handler("greet")
async def greet(request: ExecutionRequest) -> dict[str, str]:
    names = request.params["names"]
    for count, name in enumerate(names, start=1):
        request.print(f"hello, {name}")
        request.progress(count, len(names), name)
        await asyncio.sleep(1)
    return {"greeted": ", ".join(names)}


if __name__ == "__main__":
    run(registry, url=os.environ["TRAFFIC_TUI_URL"], key=os.environ["TRAFFIC_TUI_KEY"])

"""An RRQ runner in twenty lines: for an orchestrator to start, or to be started by hand."""

from __future__ import annotations

import asyncio

from traffic_tui.runner import ExecutionOutcome, ExecutionRequest, Registry, run_tcp

registry = Registry()


@registry.handler("greet")
async def greet(request: ExecutionRequest) -> dict[str, str]:
    return {"message": f"hello, {request.params['name']}"}


@registry.handler("visit")
async def visit(request: ExecutionRequest) -> ExecutionOutcome | str:
    await asyncio.sleep(request.params.get("seconds", 0))
    if request.context.attempt == 1:
        ids = request.job_id, request.request_id
        return ExecutionOutcome.retry_after(*ids, "nobody was at home", 0.2)
    return "they were at home"


if __name__ == "__main__":
    run_tcp(registry)  # where to listen is on the command line: --tcp-socket 127.0.0.1:9000

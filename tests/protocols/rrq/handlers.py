"""Handlers for the runner of the rrq package, which the tests start by its own command."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import Any

from rrq.exc import RetryJob
from rrq.registry import Registry
from rrq.runner import ExecutionError, ExecutionOutcome, ExecutionRequest
from rrq.runner_settings import PythonRunnerSettings

registry = Registry()
settings = PythonRunnerSettings(registry=registry)


async def noop(request: ExecutionRequest) -> None:
    return None


async def echo(request: ExecutionRequest) -> dict[str, Any]:
    return {"params": request.params, "context": request.context.model_dump(mode="json")}


async def pid(request: ExecutionRequest) -> int:
    return os.getpid()


async def sleep(request: ExecutionRequest) -> str:
    await asyncio.sleep(request.params["seconds"])
    return "slept"


async def block(request: ExecutionRequest) -> str:
    """Keeps the whole process busy, so that nothing is even read."""
    time.sleep(request.params["seconds"])  # noqa: ASYNC251  # is meant to be that bad
    return "blocked"


async def stubborn(request: ExecutionRequest) -> str:
    """Does not end when it is cancelled."""
    until = time.monotonic() + request.params["seconds"]
    while time.monotonic() < until:
        try:
            await asyncio.sleep(until - time.monotonic())
        except asyncio.CancelledError:
            continue
    return "at last"


async def say(request: ExecutionRequest) -> None:
    sys.stdout.write(f"{request.params['out']}\n")
    sys.stderr.write(request.params.get("err", ""))


async def boom(request: ExecutionRequest) -> None:
    raise ValueError("it went wrong")


async def again(request: ExecutionRequest) -> str:
    """Asks for another try until the third."""
    if request.context.attempt < 3:
        raise RetryJob("not yet", defer_seconds=request.params.get("after"))
    return f"attempt {request.context.attempt}"


async def too_long(request: ExecutionRequest) -> None:
    raise TimeoutError("enough")


async def picky(request: ExecutionRequest) -> ExecutionOutcome:
    return ExecutionOutcome(
        job_id=request.job_id,
        request_id=request.request_id,
        status="error",
        error=ExecutionError(message="no", type="bad_order", code="E7", details={"line": 3}),
    )


async def huge(request: ExecutionRequest) -> str:
    return "x" * (17 * 1024 * 1024)


async def crash(request: ExecutionRequest) -> None:
    """Takes its process along, once everything that is expected there has arrived."""
    await asyncio.sleep(request.params.get("seconds", 0))
    os._exit(3)


async def killed(request: ExecutionRequest) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def child(request: ExecutionRequest) -> int:
    """Leaves a child behind in its group."""
    return subprocess.Popen(["sleep", "60"]).pid  # noqa: ASYNC220  # started, not waited for


async def fork(request: ExecutionRequest) -> None:
    """Leaves a child behind that holds everything open, and never ends itself."""
    if os.fork() == 0:
        time.sleep(60)  # noqa: ASYNC251  # the child is no part of the loop
        os._exit(0)
    await asyncio.sleep(60)


for handler in (
    noop,
    fork,
    echo,
    pid,
    sleep,
    block,
    stubborn,
    say,
    boom,
    again,
    too_long,
    picky,
    huge,
    crash,
    killed,
    child,
):
    registry.register(handler.__name__, handler)

"""The same handlers for RRQ's own Python runner, which looks for ``settings``."""

from __future__ import annotations

from typing import Any

from rrq.exc import RetryJob
from rrq.registry import Registry
from rrq.runner import ExecutionError, ExecutionOutcome
from rrq.runner_settings import PythonRunnerSettings

from tests.runner.rrq_both import HANDLERS

registry = Registry()
for name, handler in HANDLERS.items():
    registry.register(name, handler)


async def retry(request: Any) -> None:
    raise RetryJob("not yet", defer_seconds=2.5)


async def failure(request: Any) -> ExecutionOutcome:
    error = ExecutionError(
        message="no", type="billing", code="E17", details=request.params["details"]
    )
    return ExecutionOutcome(status="error", error=error)


registry.register("retry", retry)
registry.register("failure", failure)
settings = PythonRunnerSettings(registry=registry)

"""``noop``: does nothing, successfully. What a zero value, or a benchmark, should ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.runner.jobs.parameters import known

if TYPE_CHECKING:
    from traffic_tui.runner.request import ExecutionRequest


def check(params: object) -> None:
    if params is not None:
        known(params, ())


async def run(request: ExecutionRequest) -> None:
    """Nothing to do."""

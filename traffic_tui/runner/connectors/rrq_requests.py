"""What an RRQ orchestrator asks for, as an order to the supervisor."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from server.wire.rrq import OLD_PROTOCOL_VERSION
from traffic_tui.runner.request import ExecutionContext
from traffic_tui.runner.seam import StartOrder

if TYPE_CHECKING:
    from server.wire.rrq import Context, ReceivedRequest

LONGEST_SECONDS = 366 * 86_400.0
"""A deadline further away is none."""


def order_of(request: ReceivedRequest, execution_id: str) -> StartOrder:
    """The order to execute a request. What protocol "1" calls kwargs are the parameters too."""
    is_old = request.protocol_version == OLD_PROTOCOL_VERSION
    return StartOrder(
        request.request_id,
        request.job_id,
        request.function_name,
        request.kwargs if is_old else request.params,
        _seconds_to(_utc(request.context.deadline)),
        _context(request.context),
        request.args,
        request.kwargs,
        execution_id,
    )


def is_too_late(request: ReceivedRequest) -> bool:
    """Whether the deadline is over before anything was begun."""
    return _seconds_to(_utc(request.context.deadline)) == 0.0


def _context(context: Context) -> ExecutionContext:
    return ExecutionContext(
        context.attempt,
        context.queue_name,
        _utc(context.enqueue_time),
        _utc(context.deadline),
        context.trace_context,
        context.correlation_context,
        context.worker_id,
    )


def _utc(time: datetime | None) -> datetime | None:
    """The time with a zone: one that came without is UTC."""
    return time if time is None or time.tzinfo is not None else time.replace(tzinfo=UTC)


def _seconds_to(deadline: datetime | None) -> float | None:
    """How long it is until then, 0 at least; None: as long as it takes."""
    if deadline is None:
        return None
    seconds = (deadline - datetime.now(UTC)).total_seconds()
    return None if seconds > LONGEST_SECONDS else max(0.0, seconds)

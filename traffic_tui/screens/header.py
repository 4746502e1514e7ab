"""What the header says, from what the desk knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.state.formats import clock_time
from traffic_tui.widgets.header import HeaderState

if TYPE_CHECKING:
    from traffic_tui.screens.desk import Desk


def header_state(desk: Desk) -> HeaderState:
    """The header, now."""
    stats, context = desk.link.stats, desk.context
    live = desk.link.freshness.span(desk.clock.monotonic(), context.glyphs)
    times = (
        clock_time(context.now, context.zone, seconds=False),
        clock_time(context.now, context.zone),
    )
    if stats is None:
        return HeaderState(
            place=desk.server_name,
            live=live,
            pace=desk.pace,
            is_read_only=desk.read_only,
            short_time=times[0],
            long_time=times[1],
        )
    oldest = stats.oldest_pending_at
    return HeaderState(
        place=desk.server_name,
        counts=stats.counts,
        runners=stats.runners,
        problems=desk.problem_count(),
        oldest_ms=max(0, context.now - oldest) if oldest else 0,
        done_buckets=tuple(stats.done_buckets),
        done_last_minute=stats.done_last_minute,
        live=live,
        pace=desk.pace,
        is_read_only=desk.read_only,
        short_time=times[0],
        long_time=times[1],
    )

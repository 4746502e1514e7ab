"""What the header says, from what the desk knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.state.formats import clock_time
from traffic_tui.widgets.header import HeaderState

if TYPE_CHECKING:
    from server.wire.operator import StatsView
    from traffic_tui.config import Place
    from traffic_tui.screens.desk import Desk
    from traffic_tui.state.glyphs import Role

BUCKET_MS = 120_000
"""As the coordinator counts what is done."""
PLACE_ROLES: dict[Place, Role] = {
    "none": "place",
    "test": "place_test",
    "production": "place_production",
}


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
            place_role=PLACE_ROLES[desk.server_place],
            live=live,
            pace=desk.pace,
            is_read_only=desk.read_only,
            short_time=times[0],
            long_time=times[1],
        )
    oldest = stats.oldest_pending_at
    return HeaderState(
        place=desk.server_name,
        place_role=PLACE_ROLES[desk.server_place],
        counts=stats.counts,
        runners=stats.runners,
        problems=desk.problem_count(),
        oldest_ms=max(0, context.now - oldest) if oldest else 0,
        done_buckets=measured_buckets(stats),
        done_last_minute=stats.done_last_minute,
        live=live,
        pace=desk.pace,
        is_read_only=desk.read_only,
        short_time=times[0],
        long_time=times[1],
    )


def measured_buckets(stats: StatsView) -> tuple[int | None, ...]:
    """Jobs done by bucket; None for what was over before the coordinator started to count."""
    newest_ended = stats.now - stats.now % BUCKET_MS
    count = len(stats.done_buckets)
    return tuple(
        done if done or newest_ended - (count - 1 - place) * BUCKET_MS > stats.started_at else None
        for place, done in enumerate(stats.done_buckets)
    )

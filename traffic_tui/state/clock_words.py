"""A time of day, as people type it, as the moment that is meant."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

    from traffic_tui.state.formats import Zone


def moment_of(
    text: str, zone: Zone, began: int, ended: int, *, local: tzinfo | None = None
) -> int | None:
    """When, between two moments, it was ``14:05`` or ``14:05:30`` the last time.

    All in epoch milliseconds. Where it was never that time between them, the nearest such time;
    None: it is no time of day.
    """
    try:
        hour, minute, *more = map(int, text.split(":"))
        wanted = time(hour, minute, more[0] if more else 0)
    except ValueError:
        return None
    first, last = (_day_and_time(moment, zone, local) for moment in (began, ended))
    days = (last.date() - first.date()).days
    found: list[int] = []
    for day in {-1, 0, 1, *range(max(0, days - 1), days + 2)}:
        moment = datetime.combine(first.date() + timedelta(days=day), wanted, first.tzinfo)
        found.append(round(moment.timestamp() * 1000))
    between = [moment for moment in found if began <= moment <= ended]
    if between:
        return max(between)
    return min(found, key=lambda moment: min(abs(moment - began), abs(moment - ended)))


def _day_and_time(moment: int, zone: Zone, local: tzinfo | None) -> datetime:
    at = datetime.fromtimestamp(moment / 1000, UTC)
    return at if zone == "utc" else at.astimezone(local)

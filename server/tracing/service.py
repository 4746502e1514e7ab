"""Whether there is tracing at all, decided once when the coordinator starts."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, NamedTuple

from server.tracing.environment import read_wish

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.coordinator import Coordinator
    from server.tracing.follower import SpanFollower

MISSING = (
    "the environment asks for spans, but OpenTelemetry is not installed: "
    "pip install 'traffic-tui[otel]' does that"
)


class Tracing(NamedTuple):
    """What follows the coordinator, and what to know about it."""

    follower: SpanFollower | None
    problem: str = ""


def build_tracing(coordinator: Coordinator, environment: Mapping[str, str]) -> Tracing:
    """What the environment asks for; nothing is imported where it asks for nothing."""
    wish = read_wish(environment)
    if not wish.is_wanted:
        return Tracing(None, wish.problem)
    try:
        from server.tracing.follower import SpanFollower
        from server.tracing.writer import SpanWriter
    except ImportError:
        return Tracing(None, MISSING)
    try:
        writer = SpanWriter(_version())
    except (ValueError, OSError) as error:  # an endpoint or certificate that makes no sense
        return Tracing(None, f"no spans: {error}")
    return Tracing(SpanFollower(coordinator, writer))


def _version() -> str:
    try:
        return version("traffic-tui")
    except PackageNotFoundError:
        return "0"

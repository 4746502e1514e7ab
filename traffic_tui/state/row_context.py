"""What rows need to know besides themselves: the time, the glyphs, who is silent for too long."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from traffic_tui.state.glyphs import DRAWN, GlyphSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server.wire.operator import JobView
    from traffic_tui.state.formats import Zone


@dataclass(slots=True)
class RowContext:
    """One object a screen, changed in place: ``now`` every second, the rest by the operator."""

    now: int
    """Milliseconds since the epoch, by the coordinator's clock."""
    glyphs: GlyphSet = DRAWN
    zone: Zone = "utc"
    is_stale: bool = False
    """Nothing was heard for too long: ages get a trailing ``?``."""
    notes: Mapping[int, str] = field(default_factory=dict)
    """By job number: why it waits, its last line of output, what somebody else just did."""
    quiet_limit: Callable[[JobView], int | None] = lambda _job: None
    """Milliseconds after which a running job's silence is trouble; None: not known."""
    late_limit: Callable[[str], int | None] = lambda _queue: None
    """Milliseconds after which a job that waits in a queue is late; None: no limit."""

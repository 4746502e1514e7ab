"""How a connection to a runner came to its end, and what that means for its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from server.model import Outcome


class Loss(NamedTuple):
    """How a connection came to its end."""

    reason: str
    blame: Outcome | None = None
    """What it means for the only job that was in flight, where it is that job's doing."""
    is_ours: bool = False
    """We ended it, so no job had a part in it."""

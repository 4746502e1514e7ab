"""Keys of each ``[agent.limits.TYPE]``: what a job of one type may use of the agent's box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.configuration.keys import Key
from server.configuration.limit_kinds import LIMIT_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.settings import LimitSettings

LIMITED_TYPES = ("command", "fib")
"""Job types that run as processes of their own."""
_COMMENTS = {
    "memory": "of all its processes together",
    "pids": "processes and threads at once",
    "cpu": "share of one core: 0.5 is half of one, 2 are two",
    "io": "bytes a second, read and written each, of every disk",
    "wall": "from start to end",
}
LIMIT_KEYS = tuple(
    Key(name, "wall_ms" if name == "wall" else name, kind, _COMMENTS[name])
    for name, kind in LIMIT_KINDS.items()
)


def check_limits(name: str, settings: LimitSettings) -> Iterator[tuple[str, str]]:
    """Only what runs as a process can be limited."""
    if name not in LIMITED_TYPES:
        yield "", f"jobs of this type cannot be limited; {' and '.join(LIMITED_TYPES)} can"

"""Tables whose names people choose: queues, groups of runners. Each has the same keys.

Reading and ``example-config.toml`` treat them all alike, from this one list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from server.configuration.agent_keys import LIMIT_KEYS, check_limits
from server.configuration.keys import QUEUE_KEYS
from server.configuration.rrq_keys import EXAMPLE_GROUP, RRQ_KEYS, check_group
from server.configuration.schedule_keys import EXAMPLE_SCHEDULE, SCHEDULE_KEYS, check_schedule
from server.configuration.workernator_keys import EXAMPLE_USER, USER_KEYS, check_user
from server.settings import (
    LimitSettings,
    QueueSettings,
    RrqGroupSettings,
    ScheduleSettings,
    WorkernatorUser,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server.configuration.keys import Key


class NamedTables(NamedTuple):
    """All tables ``[PATH.NAME]``."""

    path: str
    """As in the file and in the settings, where a mapping of names stands."""
    what: str
    """What one of them is called, for people."""
    keys: tuple[Key, ...]
    default: Any
    """The settings of a table with nothing in it."""
    check: Callable[[str, Any], Iterator[tuple[str, str]]]
    """What a table's name and the keys of it say together: (key or empty, trouble)."""
    example: tuple[str, Any] | None = None
    """Shown, commented out, where nothing is configured."""


def _nothing_to_check(name: str, settings: Any) -> Iterator[tuple[str, str]]:
    yield from ()


NAMED_TABLES: dict[str, NamedTables] = {
    tables.path: tables
    for tables in (
        NamedTables("queues", "a queue", QUEUE_KEYS, QueueSettings(), _nothing_to_check),
        NamedTables(
            "schedules",
            "a schedule",
            SCHEDULE_KEYS,
            ScheduleSettings(),
            check_schedule,
            EXAMPLE_SCHEDULE,
        ),
        NamedTables("agent.limits", "a job type", LIMIT_KEYS, LimitSettings(), check_limits),
        NamedTables(
            "protocols.rrq.runners",
            "a group of RRQ runners",
            RRQ_KEYS,
            RrqGroupSettings(),
            check_group,
            EXAMPLE_GROUP,
        ),
        NamedTables(
            "protocols.workernator.users",
            "a user of Workernator",
            USER_KEYS,
            WorkernatorUser(),
            check_user,
            EXAMPLE_USER,
        ),
    )
}

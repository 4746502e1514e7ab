"""``default_runner`` and ``routes`` of ``[protocols.rrq]``, and what they say together."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from server.configuration.kinds import text_map
from server.rrq_routing import bare_queue, own_types, routed_type, types_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.settings import RrqSettings, Settings

MAX_ROUTES = 1_000
MAX_QUEUE_NAME = 200


@dataclass(frozen=True, slots=True)
class Routes:
    """A table of queues, each with the name of a group, or with nothing."""

    def read(self, value: object) -> Mapping[str, str]:
        routes = text_map(value, "this")
        if len(routes) > MAX_ROUTES:
            raise ValueError(f"has more than {MAX_ROUTES} queues")
        if any(not 0 < len(name) <= MAX_QUEUE_NAME or not name.isprintable() for name in routes):
            raise ValueError(f"names of queues have 1 to {MAX_QUEUE_NAME} printable characters")
        if not all(group.isprintable() for group in routes.values()):
            raise ValueError("names of groups have printable characters only")
        return routes

    def write(self, setting: Mapping[str, str]) -> dict[str, str]:
        return dict(setting)


def check_routes(rrq: RrqSettings) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with the routes, given the groups: (keys below ``protocols.rrq``, trouble)."""
    if rrq.default_runner:
        for trouble in _check_target(rrq, rrq.default_runner):
            yield ("default_runner",), trouble
    seen: dict[str, str] = {}
    for queue, group in rrq.routes.items():
        older = seen.setdefault(bare_queue(queue), queue)
        if older != queue:
            yield ("routes", queue), f"is the same queue as {older}, which is routed already"
        elif group:
            for trouble in _check_target(rrq, group):
                yield ("routes", queue), trouble


def _check_target(rrq: RrqSettings, group: str) -> Iterator[str]:
    settings = rrq.runners.get(group)
    if settings is None:
        yield f"there is no [protocols.rrq.runners.{group[:100]}]{_hint(rrq, group)}"
        return
    everything = [name for name, one in rrq.runners.items() if "*" in types_of(name, one)]
    if everything:
        yield f'says nothing: group {everything[0]} has types = ["*"], so no type is left to route'
    elif not _does_own_types(types_of(group, settings), group):
        yield (
            f"what is routed to group {group} has types such as {group}#send_mail, and its types "
            f'leave them out: add "{own_types(group)}" to them'
        )


def _does_own_types(patterns: tuple[str, ...], group: str) -> bool:
    """Whether every type that names the group is one that it does."""
    own = own_types(group)
    return any(pattern.endswith("*") and own.startswith(pattern[:-1]) for pattern in patterns)


def _hint(rrq: RrqSettings, group: str) -> str:
    near = difflib.get_close_matches(group, rrq.runners, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; the groups are {', '.join(rrq.runners)}" if rrq.runners else ": no group is there"


def with_routed_schedules(settings: Settings) -> Settings:
    """The same, where jobs of schedules go where submitted ones would go."""
    rrq = settings.protocols.rrq
    routed = {
        name: replace(schedule, type=routed_type(rrq, schedule.type, schedule.queue))
        for name, schedule in settings.schedules.items()
    }
    return replace(settings, schedules=routed)

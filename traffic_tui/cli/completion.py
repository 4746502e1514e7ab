"""Names a shell can offer after a tab. Whatever goes wrong, it offers nothing and says nothing.

Names come from outside, and shells read what is offered to them as text of their own: one evaluates
it, another puts it on the line as it is. So only names are offered that no shell sees anything in.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from traffic_tui.client.base import Client

T = TypeVar("T")

PATIENCE_SECONDS = 0.8
"""A tab that hangs is worse than a tab that offers nothing."""
MAX_JOBS_LOOKED_AT = 200
BUILT_IN_TYPES = ("noop", "fib", "eval", "wait", "command")
_HARMLESS = re.compile(r"[\w@%+,./:][\w@%+=,./:-]*")
FILTER_KEYS = (
    "state:",
    "queue:",
    "runner:",
    "schedule:",
    "type:",
    "label.",
    "args.",
)


def _ask(question: Callable[[Client], Coroutine[Any, Any, list[str]]]) -> list[str]:
    """Harmless names from the coordinator that variables or the discovery file lead to."""
    import asyncio

    from traffic_tui.cli.connection import Connection
    from traffic_tui.cli.options import Where
    from traffic_tui.client.base import ClientError

    async def ask() -> list[str]:
        connection = Connection(Where())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await question(connection.client)
        finally:
            await connection.close()

    try:
        return [name for name in asyncio.run(ask()) if _HARMLESS.fullmatch(name)]
    except (ClientError, TimeoutError, OSError):
        return []


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def queues(incomplete: str) -> list[str]:
    """Names of queues."""

    async def question(client: Client) -> list[str]:
        return [queue.name for queue in (await client.queues()).queues]

    return _beginning(incomplete, _ask(question))


def runners(incomplete: str) -> list[str]:
    """Names of runners."""

    async def question(client: Client) -> list[str]:
        return [runner.name for runner in (await client.runners()).runners]

    return _beginning(incomplete, _ask(question))


def schedules(incomplete: str) -> list[str]:
    """Names of schedules."""

    async def question(client: Client) -> list[str]:
        return [schedule.name for schedule in (await client.schedules()).schedules]

    return _beginning(incomplete, _ask(question))


def job_types(incomplete: str) -> list[str]:
    """The built-in types, what runners say they can do, and what was submitted lately."""

    async def question(client: Client) -> list[str]:
        declared = {name for each in (await client.runners()).runners for name in each.types}
        recent = {job.type for job in (await client.jobs(limit=MAX_JOBS_LOOKED_AT)).jobs}
        return [name for name in declared | recent if "*" not in name]

    return _beginning(incomplete, [*BUILT_IN_TYPES, *_ask(question)])


def filters(incomplete: str) -> list[str]:
    """Terms of the filter language: keys, and states and queues after theirs."""
    from server.model import JOB_STATES

    if incomplete.startswith("state:"):
        return _beginning(incomplete, [f"state:{state}" for state in JOB_STATES])
    if incomplete.startswith("queue:"):
        names = queues(incomplete.removeprefix("queue:"))
        return [f"queue:{name}" for name in names]
    if incomplete.startswith("runner:"):
        names = runners(incomplete.removeprefix("runner:"))
        return [f"runner:{name}" for name in names]
    if incomplete.startswith("schedule:"):
        names = schedules(incomplete.removeprefix("schedule:"))
        return [f"schedule:{name}" for name in names]
    return _beginning(incomplete, FILTER_KEYS)


def attention_jobs(incomplete: str) -> list[tuple[str, str]]:
    """Numbers of jobs that are not over, with their type as the hint."""
    from server.model import FINAL_STATES

    hints: dict[str, str] = {}

    async def question(client: Client) -> list[str]:
        for job in (await client.jobs(limit=MAX_JOBS_LOOKED_AT)).jobs:
            if job.state not in FINAL_STATES:
                is_harmless = _HARMLESS.fullmatch(job.type) is not None
                hint = f"{job.type}, {job.state}" if is_harmless else job.state
                hints[str(job.number)] = hint
        return list(hints)

    return [(number, hints[number]) for number in _beginning(incomplete, _ask(question))]

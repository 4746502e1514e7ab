"""Which requests an RRQ runner has taken and not answered yet, on all its connections.

The maps are of the whole process: a cancel may come on any connection, and an id may come twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from traffic_tui.runner.connectors.rrq_connection import RrqConnection

K = TypeVar("K")


class Taken(NamedTuple):
    """A request that is still to be answered."""

    execution_id: str
    job_id: str
    request_id: str
    function_name: str
    connection: RrqConnection


class InFlight:
    """Requests by execution, by request id, by job id and by connection."""

    def __init__(self) -> None:
        self._taken: dict[str, Taken] = {}
        self._by_request: dict[str, set[str]] = {}
        self._by_job: dict[str, set[str]] = {}
        self._by_connection: dict[RrqConnection, set[str]] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def add(self, taken: Taken) -> None:
        key = taken.execution_id
        self._taken[key] = taken
        self._by_request.setdefault(taken.request_id, set()).add(key)
        self._by_job.setdefault(taken.job_id, set()).add(key)
        self._by_connection.setdefault(taken.connection, set()).add(key)

    def remove(self, execution_id: str) -> Taken | None:
        """Forget one; None: it is not known, or was forgotten before."""
        taken = self._taken.pop(execution_id, None)
        if taken is not None:
            _leave(self._by_request, taken.request_id, execution_id)
            _leave(self._by_job, taken.job_id, execution_id)
            _leave(self._by_connection, taken.connection, execution_id)
        return taken

    def of_request(self, request_id: str) -> list[str]:
        """The executions that go by that request id: one, unless somebody uses ids twice."""
        return list(self._by_request.get(request_id, ()))

    def of_job(self, job_id: str) -> list[str]:
        return list(self._by_job.get(job_id, ()))

    def of_connection(self, connection: RrqConnection) -> list[str]:
        return list(self._by_connection.get(connection, ()))

    def count(self, connection: RrqConnection) -> int:
        return len(self._by_connection.get(connection, ()))

    @property
    def is_empty(self) -> bool:
        """Nothing is left in any of the maps."""
        return not (self._taken or self._by_request or self._by_job or self._by_connection)


def _leave(index: dict[K, set[str]], key: K, execution_id: str) -> None:
    members = index[key]
    members.discard(execution_id)
    if not members:
        del index[key]

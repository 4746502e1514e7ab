"""The calls of a Traffic Light runner to its coordinator: ours, or the original."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from traffic_tui.runner.connectors.link import Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping

    from traffic_tui.runner.connectors.link import Link
    from traffic_tui.runner.connectors.traffic_light_jobs import Report

PREFIX = "/api/native-v1"
JOB_PATHS = (f"{PREFIX}/job/update", f"{PREFIX}/runner/update")
CAPACITY_PATHS = (f"{PREFIX}/runner/capacity/update", f"{PREFIX}/runner/update")
"""As that system's code has them, then as its README; whichever is there is kept to."""


class TrafficLightCalls:
    """A coordinator, seen from one boot of a runner. Raises Unreachable and Rejected."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.nonce = secrets.token_hex(16)
        self._chosen: dict[tuple[str, ...], int] = {}

    async def hello(self, *, capacity: int, port: int) -> None:
        """This boot is there, and listens on that port. The original calls port 3000 whatever is
        said here."""
        fields = _json({"nonce": self.nonce, "capacity": capacity, "port": port})
        await self._link.call("POST", f"{PREFIX}/runner/hello", fields)

    async def capacity(self, slots: int) -> None:
        """So many jobs at once; a sign of life as well."""
        await self._post(CAPACITY_PATHS, {"nonce": self.nonce, "capacity": slots})

    async def job(self, report: Report) -> None:
        """Where a job stands. Why is our own addition; others do not look at it."""
        fields = {"job_id": report.job_id, "status": report.word, "nonce": self.nonce}
        if report.message:
            fields["message"] = report.message
        await self._post(JOB_PATHS, fields)

    async def _post(self, paths: tuple[str, ...], fields: Mapping[str, str | int]) -> None:
        """Call the first path that is there."""
        chosen = self._chosen.get(paths, 0)
        try:
            await self._link.call("POST", paths[chosen], _json(fields))
        except Rejected as error:
            if error.status != 404 or chosen + 1 == len(paths):
                raise
            await self._link.call("POST", paths[chosen + 1], _json(fields))
            self._chosen[paths] = chosen + 1


def _json(fields: Mapping[str, str | int]) -> bytes:
    return json.dumps(fields).encode()

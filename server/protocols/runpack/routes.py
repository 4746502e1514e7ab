"""Which request goes where, and what has to be shown for it.

Paths match exactly and as they were sent: an id is one raw segment, never decoded.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Level: TypeAlias = Literal["none", "submit", "runner", "admin", "job page"]
Bucket: TypeAlias = Literal["", "submit", "poll", "available", "heartbeat"]


class Route(NamedTuple):
    """One operation of the surface."""

    name: str
    verb: str
    """What an error says it failed to do."""
    level: Level
    bucket: Bucket = ""
    """Limiter that counts it; empty: none."""
    runner_header: Literal["", "before key", "after key"] = ""
    """When the runner's id is looked for."""


class Match(NamedTuple):
    route: Route
    ident: str
    """The id in the path; empty: it has none."""


_FIXED: dict[tuple[str, str], Route] = {
    ("POST", "/api/jobs/check"): Route("check", "check job", "submit", "submit"),
    ("POST", "/api/jobs/submit"): Route("submit", "submit job", "submit", "submit"),
    ("POST", "/api/runner/register"): Route("register", "register runner", "runner"),
    ("GET", "/api/runner/verify"): Route("verify", "verify runner", "runner", "", "after key"),
    ("GET", "/api/runner/jobs/available"): Route(
        "available", "get available jobs", "runner", "available", "before key"
    ),
    ("GET", "/api/admin/jobs"): Route("jobs", "get jobs", "admin"),
    ("POST", "/api/admin/jobs/batch-delete"): Route("batch_delete", "delete jobs", "admin"),
    ("GET", "/api/admin/runners"): Route("runners", "get runners", "admin"),
    ("GET", "/api/admin/stats"): Route("stats", "get statistics", "admin"),
    ("POST", "/poll"): Route("poll", "poll", "none"),
}

_JOBS = "/api/runner/jobs/"
_ACTIONS: dict[str, Route] = {
    "claim": Route("claim", "claim job", "runner", "", "before key"),
    "heartbeat": Route("heartbeat", "update heartbeat", "runner", "heartbeat", "before key"),
    "complete": Route("complete", "complete job", "runner", "", "before key"),
    "error": Route("error", "mark job as failed", "runner", "", "before key"),
}
"""What may be posted to ``/api/runner/jobs/ID/ACTION``."""

_WITH_ID: dict[tuple[str, str], Route] = {
    ("GET", "/api/jobs"): Route("status", "get job status", "submit", "poll"),
    ("GET", "/api/admin/jobs"): Route("job", "get job details", "job page"),
    ("DELETE", "/api/admin/jobs"): Route("delete", "delete job", "admin"),
    ("GET", "/api/admin/runners"): Route("runner", "get runner details", "admin"),
}
"""Paths that end with an id, without it."""


def find(method: str, path: str) -> Match | None:
    """The route of a request; None: there is none."""
    if method == "POST" and path.startswith(_JOBS):  # what runners ask most
        ident, _, action = path[len(_JOBS) :].partition("/")
        route = _ACTIONS.get(action)
        return Match(route, ident) if route is not None and ident else None
    fixed = _FIXED.get((method, path))
    if fixed is not None:
        return Match(fixed, "")
    before, _, ident = path.rpartition("/")
    route = _WITH_ID.get((method, before))
    return Match(route, ident) if route is not None and ident else None

"""Which request goes where, and what has to be shown for it.

Paths match exactly and as they were sent: an id is one raw segment, never decoded.
"""

from __future__ import annotations

import re
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

_WITH_ID: tuple[tuple[str, re.Pattern[str], Route], ...] = (
    (
        "POST",
        re.compile(r"/api/runner/jobs/([^/]+)/claim"),
        Route("claim", "claim job", "runner", "", "before key"),
    ),
    (
        "POST",
        re.compile(r"/api/runner/jobs/([^/]+)/heartbeat"),
        Route("heartbeat", "update heartbeat", "runner", "heartbeat", "before key"),
    ),
    (
        "POST",
        re.compile(r"/api/runner/jobs/([^/]+)/complete"),
        Route("complete", "complete job", "runner", "", "before key"),
    ),
    (
        "POST",
        re.compile(r"/api/runner/jobs/([^/]+)/error"),
        Route("error", "mark job as failed", "runner", "", "before key"),
    ),
    (
        "GET",
        re.compile(r"/api/jobs/([^/]+)"),
        Route("status", "get job status", "submit", "poll"),
    ),
    (
        "GET",
        re.compile(r"/api/admin/jobs/([^/]+)"),
        Route("job", "get job details", "job page"),
    ),
    (
        "DELETE",
        re.compile(r"/api/admin/jobs/([^/]+)"),
        Route("delete", "delete job", "admin"),
    ),
    (
        "GET",
        re.compile(r"/api/admin/runners/([^/]+)"),
        Route("runner", "get runner details", "admin"),
    ),
)


def find(method: str, path: str) -> Match | None:
    """The route of a request; None: there is none."""
    fixed = _FIXED.get((method, path))
    if fixed is not None:
        return Match(fixed, "")
    for wanted, pattern, route in _WITH_ID:
        if wanted == method and (match := pattern.fullmatch(path)):
            return Match(route, match[1])
    return None

# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Jobs that are alike, counted together, as for a bad deploy: by cause, type, runner or queue.

The database adds up jobs that share their error text, class and runner; there are far fewer of
those than jobs. What has the same cause is put together here.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from server.errors import InvalidInput
from server.filters.causes import cause_of
from server.store.base import JobGroup, JobGroups, Tally
from server.store.codes import json_ids
from server.store.error_sql import CAUSE_ID
from server.store.filter_sql import FilterSql
from server.store.filter_tests import NEVER
from server.store.sqlite_queries import SPARSE, job_search, job_tests

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from server.store.base import GroupQuery
    from server.store.names import Names
    from server.store.sqlite_queries import Search

MOST_JOBS: Final = 200_000
"""The newest jobs that are looked at."""
MAX_LIMIT: Final = 1_000
TOP: Final = 3
"""Names that are told of each group, the most frequent ones."""
WORTH_INDEXING: Final = 4
"""All jobs are walked where an index gives more than this part of them."""
_PROBLEM: Final = (
    "CASE WHEN j.attempt = 0 THEN coalesce((SELECT problem FROM ranges WHERE job = j.id), '')"
    " ELSE '' END"
)


class _Share(NamedTuple):
    """Jobs that share all that is looked at."""

    cause: int
    problem: str
    """Why a range failed; empty: it did not, or is none."""
    cls: int
    runner: int
    jobs: int
    """How many they are."""
    first: int
    last: int
    newest: int


class _Group:
    """What is known of a group so far."""

    def __init__(self) -> None:
        self.jobs = self.first = self.last = self.newest = 0
        self.of_newest: tuple[int, str] = (0, "")
        """Error text (row id, or what a range tells) of the newest job."""
        self.texts: set[tuple[int, str]] = set()
        self.types: Counter[str] = Counter()
        self.queues: Counter[str] = Counter()
        self.runners: Counter[str] = Counter()

    def add(self, share: _Share, names: Names) -> None:
        known = names.classes[share.cls]
        self.types[known.type] += share.jobs
        self.queues[known.queue] += share.jobs
        if runner := names.runners.get(share.runner):
            self.runners[runner.name] += share.jobs
        self.jobs += share.jobs
        self.first = min(self.first or share.first, share.first)
        self.last = max(self.last, share.last)
        text = (share.cause, share.problem)
        self.texts.add(text)
        if share.newest > self.newest:
            self.newest, self.of_newest = share.newest, text


def find_groups(db: sqlite3.Connection, query: GroupQuery, now: int) -> JobGroups:
    """The largest groups of the jobs that fit.

    Raises:
        InvalidInput: the limit makes no sense.
    """
    if not 1 <= query.limit <= MAX_LIMIT:
        raise InvalidInput(f"The limit is between 1 and {MAX_LIMIT}.")
    sql = FilterSql(db, now)
    tests = job_tests(sql, query.filter, query.owner)
    if query.by == "error":
        tests.append(sql.went_wrong())
    if any(test is NEVER for test in tests):
        return JobGroups([], 0, 0, True)
    search = job_search(tests, max(SPARSE, sql.names.total // WORTH_INDEXING))
    shares = _shares(db, search, with_errors=query.by == "error")
    groups = _grouped(shares, _name_of(db, shares, sql.names, query), sql.names)
    found = sum(group.jobs for group in groups.values())
    looked_at = sum(share.jobs for share in shares)
    largest = sorted(groups.items(), key=lambda one: (-one[1].jobs, -one[1].newest))
    listed = _told(db, largest[: query.limit], with_errors=query.by == "error")
    return JobGroups(listed, len(groups), found, looked_at < MOST_JOBS)


def _shares(db: sqlite3.Connection, search: Search, *, with_errors: bool) -> list[_Share]:
    error = (
        f"{CAUSE_ID} AS cause, {_PROBLEM} AS problem"
        if with_errors
        else "0 AS cause, '' AS problem"
    )
    where = f" WHERE {' AND '.join(search.conditions)}" if search.conditions else ""
    newest = (
        f"SELECT {error}, j.cls, j.runner, j.since, j.id FROM {search.source}{where}"
        " ORDER BY j.id DESC LIMIT ?"
    )
    rows = db.execute(
        f"{search.found}SELECT cause, problem, cls, runner, count(*), min(since), max(since),"
        f" max(id) FROM ({newest}) GROUP BY cause, problem, cls, runner",
        (*search.values, MOST_JOBS),
    )
    return [_Share._make(row) for row in rows]


def _name_of(
    db: sqlite3.Connection, shares: Iterable[_Share], names: Names, query: GroupQuery
) -> Callable[[_Share], str | None]:
    """What a share goes by; None: by nothing, as no runner had it."""
    if query.by == "type":
        return lambda share: names.classes[share.cls].type
    if query.by == "queue":
        return lambda share: names.classes[share.cls].queue
    if query.by == "runner":
        return lambda share: _runner_name(names, share.runner)
    causes = _causes(db, {share.cause for share in shares})
    return lambda share: causes.get(share.cause) or cause_of(share.problem)


def _runner_name(names: Names, runner: int) -> str | None:
    known = names.runners.get(runner)
    return None if known is None else known.name


def _causes(db: sqlite3.Connection, ids: Iterable[int]) -> dict[int, str]:
    """Causes by error text. Texts are not kept, as there may be many."""
    rows = db.execute(
        "SELECT id, folded FROM causes WHERE id IN (SELECT value FROM json_each(?))",
        (json_ids(ids),),
    )
    known: dict[str, str] = {}
    return {row[0]: known.setdefault(cause, cause) for row in rows for cause in [cause_of(row[1])]}


def _grouped(
    shares: Iterable[_Share], name_of: Callable[[_Share], str | None], names: Names
) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for share in shares:
        name = name_of(share)
        if name is not None:
            groups.setdefault(name, _Group()).add(share, names)
    return groups


def _told(
    db: sqlite3.Connection, groups: list[tuple[str, _Group]], *, with_errors: bool
) -> list[JobGroup]:
    numbers = json_ids(group.newest for _, group in groups)
    uuids = dict(
        db.execute(
            "SELECT id, uuid FROM jobs WHERE id IN (SELECT value FROM json_each(?))", (numbers,)
        )
    )
    return [
        JobGroup(
            name=name,
            text=_text(db, *group.of_newest) if with_errors else name,
            is_varied=with_errors and len(group.texts) > 1,
            jobs=group.jobs,
            first=group.first,
            last=group.last,
            newest=(group.newest, uuids[group.newest]),
            types=_tally(group.types),
            queues=_tally(group.queues),
            runners=_tally(group.runners),
        )
        for name, group in groups
    ]


def _text(db: sqlite3.Connection, cause: int, problem: str) -> str:
    if not cause:
        return problem
    kind, message = db.execute("SELECT type, message FROM causes WHERE id = ?", (cause,)).fetchone()
    return ": ".join(part for part in (kind, message) if part)


def _tally(counted: Counter[str]) -> Tally:
    return Tally(tuple(counted.most_common(TOP)), len(counted))

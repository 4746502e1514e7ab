# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Finding the jobs of a page: which way through the tables, and how many there are.

The planner cannot know that three of a million jobs are pending, or that all but three are; the
counters can. Where few jobs can fit, they are fetched through their index and sorted; where many
do, the list's own order is walked and left early.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from server.errors import InvalidInput
from server.filters.terms import FilterRow, StateTerm, TextTerm
from server.model import JOB_STATES
from server.store.codes import json_ids
from server.store.filter_sql import FilterSql
from server.store.filter_tests import ALWAYS, CHEAP, NEVER, SLOW, Source, Test

if TYPE_CHECKING:
    import sqlite3

    from server.filters import Filter
    from server.store.base import JobOrder, JobQuery
    from server.store.names import Names

COUNT_CAP: Final = 100_000
"""Jobs that are counted one by one; beyond it the count is given as at least this."""
COSTLY_COUNT_CAP: Final = 2_000
"""The same where looking at each job is costly, and no index tells which ones to look at."""
MAX_LIMIT: Final = 10_000
SPARSE: Final = 5_000
"""Jobs that are fetched and sorted without a second thought."""


class FoundJobs(NamedTuple):
    """Ids of a page, in order."""

    ids: list[int]
    next: str
    total: int
    total_is_exact: bool


class _Order(NamedTuple):
    columns: tuple[str, ...]
    is_descending: bool


_ORDERS: Final[dict[JobOrder, _Order]] = {
    "number": _Order(("j.id",), False),
    "-number": _Order(("j.id",), True),
    "since": _Order(("j.since", "j.id"), False),
    "-since": _Order(("j.since", "j.id"), True),
    # Ranks are priorities negated: the highest priority has the smallest rank.
    "-priority": _Order(("j.rank", "j.id"), False),
    "priority": _Order(("j.rank", "j.id"), True),
}


class Search(NamedTuple):
    """The parts of a statement that finds jobs."""

    found: str
    """The ids that can fit, as a common table; empty: all of them."""
    source: str
    conditions: list[str]
    values: list[object]
    cost: int


def find_jobs(db: sqlite3.Connection, query: JobQuery, now: int) -> FoundJobs:
    """The ids of a page.

    Raises:
        InvalidInput: the cursor or the limit makes no sense.
    """
    order = _ORDERS.get(query.order)
    if order is None:
        raise InvalidInput(f"There is no order {query.order}; there are {', '.join(_ORDERS)}.")
    if not 1 <= query.limit <= MAX_LIMIT:
        raise InvalidInput(f"The limit is between 1 and {MAX_LIMIT}.")
    after = _read_cursor(query.after, query.order) if query.after else None
    sql = FilterSql(db, now)
    tests = job_tests(sql, query.filter, query.owner)
    if query.ids is not None:
        tests.append(_one_of(query.ids))
    exact = _counted(sql.names, query)
    if exact == 0 or any(test is NEVER for test in tests):
        return FoundJobs([], "", 0, True)
    search = job_search(tests, _most_to_sort(sql.names.total, len(tests)))
    rows = _page(db, search, order, after, query.limit + 1)
    cursor = _write_cursor(query.order, rows[query.limit - 1]) if len(rows) > query.limit else ""
    ids = [row[-1] for row in rows[: query.limit]]
    if exact is None and after is None and not cursor:
        exact = len(ids)
    if exact is None and len(tests) == 1 and tests[0].source and tests[0].source.is_exact:
        exact = tests[0].source.size
    if exact is not None:
        return FoundJobs(ids, cursor, exact, True)
    if search.cost == SLOW:
        return FoundJobs(ids, cursor, len(rows), False)
    by_index = search if search.found else job_search(tests, COUNT_CAP)
    total, is_exact = _count(db, by_index)
    return FoundJobs(ids, cursor, total, is_exact)


def job_tests(sql: FilterSql, wanted: Filter | None, owner: str | None) -> list[Test]:
    """What jobs have to pass; what all of them do is left out."""
    tests = [] if wanted is None else sql.tests(wanted)
    if owner is not None:
        tests.append(sql.owned_by(owner))
    return [test for test in tests if test is not ALWAYS]


def _one_of(numbers: tuple[int, ...]) -> Test:
    if not numbers:
        return NEVER
    ids = json_ids(numbers)
    listed = "SELECT value FROM json_each(?)"
    return Test(f"j.id IN ({listed})", (ids,), Source(listed, (ids,), len(numbers)))


def job_search(tests: list[Test], most: int) -> Search:
    """The way to jobs that pass all tests: by an index that gives at most so many, else all."""
    sources = [test.source for test in tests if test.source is not None]
    best = min(sources, key=lambda source: source.size, default=None)
    cheap_first = sorted(tests, key=lambda test: test.cost)
    conditions = [test.sql for test in cheap_first]
    values = [value for test in cheap_first for value in test.values]
    cost = max((test.cost for test in tests), default=CHEAP)
    if best is None or best.size > most:
        return Search("", "jobs j NOT INDEXED", conditions, values, cost)
    found = f"WITH found (id) AS ({best.sql}) "
    source = "(SELECT DISTINCT id FROM found) f CROSS JOIN jobs j ON j.id = f.id"
    return Search(found, source, conditions, [*best.values, *values], cost)


def _most_to_sort(total: int, tests: int) -> int:
    """Up to how many jobs are fetched through an index and sorted.

    A single test that many jobs pass ends the walk through the list early. Several tests may have
    no job in common: then the walk goes all the way, which costs as much as fetching a twenty-fifth
    of the jobs through an index.
    """
    return SPARSE if tests == 1 else max(SPARSE, total // 25)


def _page(
    db: sqlite3.Connection,
    search: Search,
    order: _Order,
    after: tuple[int, ...] | None,
    limit: int,
) -> list[tuple[int, ...]]:
    conditions, values = list(search.conditions), list(search.values)
    columns = ", ".join(order.columns)
    if after is not None:
        marks = ", ".join("?" * len(after))
        sign = "<" if order.is_descending else ">"
        conditions.append(f"({columns}) {sign} ({marks})")
        values += after
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    direction = "DESC" if order.is_descending else "ASC"
    by = ", ".join(f"{column} {direction}" for column in order.columns)
    sql = f"{search.found}SELECT {columns} FROM {search.source}{where} ORDER BY {by} LIMIT ?"
    return db.execute(sql, (*values, limit)).fetchall()


# counting ------------------------------------------------------------------------------------


def _counted(names: Names, query: JobQuery) -> int | None:
    """How many jobs fit, where the counters alone can tell."""
    if query.ids is not None or query.owner is not None:
        return None
    if query.filter is None:
        return names.total
    if not _is_counted(query.filter):
        return None
    total = 0
    for (cls, state), number in names.counts.items():
        known = names.classes[cls]
        row = FilterRow("", 0, known.type, known.queue, JOB_STATES[state])
        if query.filter.matches(row, 0):
            total += number
    return total


def _is_counted(wanted: Filter) -> bool:
    """Whether all of a filter is about what the counters are kept by."""
    return all(
        isinstance(condition.term, StateTerm)
        or (isinstance(condition.term, TextTerm) and condition.term.field in ("type", "queue"))
        for condition in wanted.conditions
    )


def _count(db: sqlite3.Connection, search: Search) -> tuple[int, bool]:
    cap = COSTLY_COUNT_CAP if search.cost and not search.found else COUNT_CAP
    where = f" WHERE {' AND '.join(search.conditions)}" if search.conditions else ""
    sql = f"{search.found}SELECT count(*) FROM (SELECT 1 FROM {search.source}{where} LIMIT ?)"
    found = int(db.execute(sql, (*search.values, cap + 1)).fetchone()[0])
    return min(found, cap), found <= cap


# cursors -------------------------------------------------------------------------------------


def _write_cursor(order: JobOrder, row: tuple[int, ...]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([order, *row])).decode().rstrip("=")


def _read_cursor(text: str, order: JobOrder) -> tuple[int, ...]:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        of_order, *place = msgspec.json.decode(raw, type=list[str | int])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise InvalidInput("This is no cursor of a list of jobs; start without one.") from error
    if of_order != order or len(place) != len(_ORDERS[order].columns):
        raise InvalidInput("This cursor belongs to a list in another order; start without one.")
    numbers = tuple(one for one in place if isinstance(one, int) and abs(one) < 2**63)
    if len(numbers) != len(place):
        raise InvalidInput("This is no cursor of a list of jobs; start without one.")
    return numbers

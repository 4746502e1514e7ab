# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""A filter as SQL over ``jobs j``, with what is known of how many jobs it can fit.

Names are looked up first, in the small tables that hold each of them once; a million jobs are
then compared by integers, or found through an index on those. A name that nobody has makes the
whole query empty before it is asked.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from server.filters.patterns import Pattern, argument_matches
from server.filters.terms import (
    AgeTerm,
    ArgumentTerm,
    LabelTerm,
    NumberTerm,
    StateTerm,
    TextTerm,
    WordTerm,
    label_matches,
)
from server.model import JOB_STATES
from server.store import error_sql
from server.store.codes import FIRST_ACTIVE, FIRST_FINAL, LAST_ACTIVE, STATE_CODE, map_of
from server.store.error_sql import ErrorSql
from server.store.filter_tests import (
    ALWAYS,
    COSTLY,
    NEVER,
    SLOW,
    Source,
    Test,
    Values,
    any_of,
    folded_test,
)
from server.store.names import Names

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from server.filters import Filter
    from server.filters.terms import Condition, Operator, Term

_LIVE: Final = (
    "SELECT job FROM attempts WHERE is_live = 1 UNION ALL SELECT job FROM ranges WHERE is_open = 1"
)
"""Of a job that is done in pieces, no attempt is live, as it has none."""
_ACTIVE: Final = f"j.state BETWEEN {FIRST_ACTIVE} AND {LAST_ACTIVE}"
_OF_BLOCKS: Final = (
    "SELECT r.id FROM (WITH RECURSIVE blocks (block) AS (SELECT min(id) >> 10 FROM jobs"
    " UNION ALL SELECT block + 1 FROM blocks WHERE block < (SELECT max(id) >> 10 FROM jobs))"
    " SELECT block FROM blocks) CROSS JOIN jobs r INDEXED BY jobs_runner"
    " ON r.id >> 10 = block AND r.runner <> 0"
)
"""Jobs that any runner had, block by block: the index on runners begins with the block."""
MOST_PROBED: Final = 200
"""Runners that are looked up in each block of jobs."""
_HEARD: Final = (
    "coalesce((SELECT max(a.started_at, a.ended_at, coalesce((SELECT heard_at FROM progress"
    " WHERE attempt = a.id), 0), coalesce((SELECT max(updated_at) FROM streams"
    " WHERE attempt = a.id), 0)) FROM attempts a WHERE a.id = j.attempt), 0)"
)
_PERCENT: Final = (
    "coalesce("
    "(SELECT 100.0 * current / total FROM progress WHERE attempt = j.attempt AND total > 0),"
    " (SELECT 100.0 * covered / (high - low + 1 - left_out) FROM ranges WHERE job = j.id"
    " AND j.attempt = 0))"
)
_PARENT: Final = "coalesce((SELECT parent FROM job_details WHERE job = j.id), 0)"
SIZE_CAP: Final = 100_001
"""Counting how many a source gives ends here."""
_BEGIN: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


def install_functions(db: sqlite3.Connection) -> None:
    """Give a connection the functions that the tests of some terms call."""
    db.create_function("argument_matches", 2, _argument_matches, deterministic=True)
    error_sql.install_functions(db)


@lru_cache(maxsize=32)
def _wanted(text: str) -> tuple[tuple[str, ...], tuple[Pattern, ...]]:
    path, patterns = msgspec.json.decode(text)
    return tuple(path), tuple(Pattern(*one) for one in patterns)


def _argument_matches(params: bytes | None, wanted: str) -> bool:
    path, patterns = _wanted(wanted)
    return argument_matches(params or b"", path, patterns)


class FilterSql:
    """Turns the conditions of a filter into tests, on one state of the database."""

    def __init__(self, db: sqlite3.Connection, now: int) -> None:
        self._db = db
        self._now = now
        self.names = Names(db)
        self._errors = ErrorSql(db, self._sized, SIZE_CAP)

    def tests(self, wanted: Filter) -> list[Test]:
        return [self._test(condition) for condition in wanted.conditions]

    def _test(self, condition: Condition) -> Test:
        test = self._term(condition.term)
        if not condition.is_negated:
            return test
        if test is NEVER:
            return ALWAYS
        if test is ALWAYS:
            return NEVER
        return Test(f"NOT ({test.sql})", test.values, None, test.cost)

    def _term(self, term: Term) -> Test:
        if isinstance(term, StateTerm):
            return self._states(sorted(STATE_CODE[state] for state in term.states))
        if isinstance(term, TextTerm):
            return self._text(term)
        if isinstance(term, LabelTerm):
            return self._label(term)
        if isinstance(term, ArgumentTerm):
            return _argument(term)
        if isinstance(term, NumberTerm):
            return self._number(term)
        if isinstance(term, AgeTerm):
            return self._age(term)
        return self._word(term)

    # states ----------------------------------------------------------------------------

    def _states(self, codes: Sequence[int]) -> Test:
        if len(codes) == len(JOB_STATES):
            return ALWAYS
        size = sum(number for (_, state), number in self.names.counts.items() if state in codes)
        parts = [f"SELECT id FROM jobs WHERE state = {code}" for code in codes if code < 2]
        if any(FIRST_ACTIVE <= code <= LAST_ACTIVE for code in codes):
            parts.append(_LIVE)
        parts += [
            f"SELECT id FROM jobs WHERE state > 4 AND state = {code}"
            for code in codes
            if code >= FIRST_FINAL
        ]
        source = Source(" UNION ".join(parts), (), size, is_exact=True)
        return Test(f"j.state IN ({_list(codes)})", (), source)

    def went_wrong(self) -> Test:
        """Jobs that ended badly, and those of which an error is told."""
        ended = self._states([STATE_CODE["failed"], STATE_CODE["expired"]])
        return any_of([ended, self._errors.told()])

    # names -----------------------------------------------------------------------------

    def _text(self, term: TextTerm) -> Test:
        patterns = term.patterns
        if term.field == "id":
            return any_of([self._uuid(pattern) for pattern in patterns])
        if term.field == "error":
            return any_of([self._errors.error(pattern) for pattern in patterns])
        if term.field == "cause":
            return any_of([self._errors.cause(pattern) for pattern in patterns])
        if term.field == "runner":
            return self._runners(_any(patterns), with_ids=True)
        if term.field == "schedule":
            return self._schedules(_any(patterns))
        if term.field == "type" or term.field == "queue":
            classes = self.names.classes_where(term.field, _any(patterns))
            return self._facets(self.names.facets_of_classes(classes))
        return self._facets(self.names.facets_of_submitters(term.field, _any(patterns)))

    def owned_by(self, owner: str) -> Test:
        """Only jobs that this one submitted."""
        return self._facets(self.names.facets_of_owner(owner))

    def _facets(self, facets: set[int]) -> Test:
        if not facets:
            return NEVER
        if len(facets) == len(self.names.facets):
            return ALWAYS
        listed = _list(sorted(facets))
        source = Source(
            f"SELECT id FROM jobs WHERE facet IN ({listed})", (), self.names.facets_size(facets)
        )
        return Test(f"j.facet IN ({listed})", (), source)

    def _runners(self, fits: Callable[[str], bool], *, with_ids: bool) -> Test:
        return self._runner_ids(self.names.runners_where(fits, with_ids=with_ids))

    def _runner_ids(self, runners: Iterable[int]) -> Test:
        wanted = sorted(runners)
        if not wanted:
            return NEVER
        listed = _list(wanted)
        # Many are not looked up one by one in each block: all runners of the block are looked at.
        column = "r.runner" if len(wanted) <= MOST_PROBED else "+r.runner"
        source = self._sized(f"{_OF_BLOCKS} AND {column} IN ({listed})")
        return Test(f"j.runner IN ({listed})", (), source) if source.size else NEVER

    def _schedules(self, fits: Callable[[str], bool]) -> Test:
        listed = _list(sorted(self.names.schedules_where(fits)))
        if not listed:
            return NEVER
        of_jobs = f"SELECT job FROM job_details WHERE schedule > 0 AND schedule IN ({listed})"
        made = f"(SELECT schedule FROM job_details WHERE job = j.id) IN ({listed})"
        return Test(made, (), self._sized(of_jobs), COSTLY)

    def _sized(self, sql: str, values: Values = ()) -> Source:
        """A source whose size is counted, up to a cap."""
        counted = self._db.execute(
            f"SELECT count(*) FROM ({sql} LIMIT {SIZE_CAP})", values
        ).fetchone()[0]
        is_whole = counted < SIZE_CAP
        return Source(sql, values, counted if is_whole else self.names.total, is_whole)

    def _label(self, term: LabelTerm) -> Test:
        classes = {
            cls
            for cls, known in self.names.classes.items()
            if label_matches(term, map_of(known.requires))
        }
        runners = [
            runner
            for runner, known in self.names.runners.items()
            if label_matches(term, map_of(known.labels))
        ]
        return any_of(
            [self._facets(self.names.facets_of_classes(classes)), self._runner_ids(runners)]
        )

    # numbers and times -----------------------------------------------------------------

    def _number(self, term: NumberTerm) -> Test:
        if term.field == "number":
            return any_of([self._job_number(term.operator, value) for value in term.values])
        if term.field == "progress":
            tests = [f"coalesce({_PERCENT} {term.operator} ?, 0)" for _ in term.values]
            return self._active(" OR ".join(tests), term.values)
        if term.field == "parent":
            return any_of([self._parent(term.operator, value) for value in term.values])
        column = "j.attempts" if term.field == "try" else "-j.rank"
        sql = " OR ".join(f"{column} {term.operator} ?" for _ in term.values)
        return Test(f"({sql})", term.values)

    def _parent(self, operator: Operator, value: float) -> Test:
        """Pieces of a job's range."""
        condition = f"{_PARENT} {operator} ?"
        least = 0 if operator == ">" else 1
        if operator not in ("=", ">", ">=") or value < least:
            return Test(condition, (value,), None, COSTLY)
        sql = f"SELECT job FROM job_details WHERE parent > 0 AND parent {operator} ?"
        return Test(condition, (value,), self._sized(sql, (value,)), COSTLY)

    def _job_number(self, operator: Operator, value: float) -> Test:
        if operator == "=":
            sql = "SELECT id FROM jobs WHERE id = ?"
            return Test("j.id = ?", (value,), Source(sql, (value,), 1))
        return Test(f"j.id {operator} ?", (value,))

    def _active(self, sql: str, values: Values) -> Test:
        """A condition that only active jobs can meet: there are as many as runners have slots."""
        size = sum(
            number
            for (_, state), number in self.names.counts.items()
            if FIRST_ACTIVE <= state <= LAST_ACTIVE
        )
        return Test(f"({_ACTIVE} AND ({sql}))", values, Source(_LIVE, (), size), COSTLY)

    def _age(self, term: AgeTerm) -> Test:
        sign = _BEGIN[term.operator]
        limit = self._now - term.milliseconds
        if term.field == "quiet":
            return self._active(f"{_HEARD} > 0 AND {_HEARD} {sign} ?", (limit,))
        column = "j.created_at" if term.field == "age" else "j.since"
        return Test(f"{column} {sign} ?", (limit,))

    # words -----------------------------------------------------------------------------

    def _word(self, term: WordTerm) -> Test:
        names = term.names
        classes = self.names.classes_where("type", names.matches)
        classes |= self.names.classes_where("queue", names.matches)
        return any_of(
            [
                self._uuid(term.beginning),
                self._number_text(term.beginning),
                self._facets(self.names.facets_of_classes(classes)),
                self._runners(names.matches, with_ids=False),
                self._errors.error(names),
            ]
        )

    def _uuid(self, pattern: Pattern) -> Test:
        """Jobs whose id begins so."""
        if pattern.mode == "glob":
            condition, value = folded_test("j.uuid", pattern)
            return Test(condition, (value,))
        bounds = (pattern.text, pattern.text + "\U0010ffff")
        source = self._sized("SELECT id FROM jobs WHERE uuid >= ? AND uuid < ?", bounds)
        return Test("(j.uuid >= ? AND j.uuid < ?)", bounds, source) if source.size else NEVER

    def _number_text(self, pattern: Pattern) -> Test:
        """Jobs whose number, as text, fits."""
        if pattern.mode == "glob":
            if not set(pattern.text) <= set("0123456789*"):
                return NEVER
            return Test("CAST(j.id AS TEXT) GLOB ?", (pattern.text,))
        if not pattern.text.isascii() or not pattern.text.isdigit() or pattern.text[0] == "0":
            return ALWAYS if not pattern.text else NEVER
        return any_of(
            [
                Test(
                    f"j.id BETWEEN {first} AND {last}",
                    (),
                    Source(
                        f"SELECT id FROM jobs WHERE id BETWEEN {first} AND {last}",
                        (),
                        last - first + 1,
                    ),
                )
                for first, last in number_ranges(int(pattern.text), self.names.last_job)
            ]
        )


def number_ranges(beginning: int, highest: int) -> list[tuple[int, int]]:
    """The ranges of numbers up to ``highest`` whose digits begin so."""
    ranges: list[tuple[int, int]] = []
    width = 1
    while beginning * width <= highest:
        ranges.append((beginning * width, beginning * width + width - 1))
        width *= 10
    return ranges


def _argument(term: ArgumentTerm) -> Test:
    wanted = msgspec.json.encode((term.path, [(one.text, one.mode) for one in term.patterns]))
    return Test(
        "argument_matches((SELECT params FROM job_details WHERE job = j.id), ?)",
        (wanted.decode(),),
        None,
        SLOW,
    )


def _any(patterns: Sequence[Pattern]) -> Callable[[str], bool]:
    return lambda folded: any(pattern.matches(folded) for pattern in patterns)


def _list(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))

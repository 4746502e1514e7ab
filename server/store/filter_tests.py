"""Conditions on a job as SQL, each with the way it could be looked up by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.filters.patterns import Pattern

Values = tuple[Any, ...]


CHEAP: Final = 0
"""Trying a test on a job looks at its row alone."""
COSTLY: Final = 1
"""It looks at other rows."""
SLOW: Final = 2
"""It reads what a job was given, which no index knows."""


class Source(NamedTuple):
    """A query for ids, through an index, of all jobs that can fit, and about how many it gives."""

    sql: str
    values: Values
    size: int
    is_exact: bool = False
    """Whether it gives just the jobs that fit, and ``size`` is their number."""


class Test(NamedTuple):
    """A condition on ``j``. Without a source it can only be tried on job after job."""

    sql: str
    values: Values = ()
    source: Source | None = None
    cost: int = CHEAP


ALWAYS: Final = Test("1")
NEVER: Final = Test("0", (), Source("SELECT id FROM jobs WHERE 0", (), 0))


def any_of(tests: Sequence[Test]) -> Test:
    """At least one holds. It has a source only if each one has."""
    tests = [test for test in tests if test is not NEVER]
    if not tests:
        return NEVER
    if any(test is ALWAYS for test in tests):
        return ALWAYS
    if len(tests) == 1:
        return tests[0]
    source = None
    sources = [test.source for test in tests if test.source is not None]
    if len(sources) == len(tests):
        source = Source(
            " UNION ".join(one.sql for one in sources),
            tuple(value for one in sources for value in one.values),
            sum(one.size for one in sources),
        )
    return Test(
        "(" + " OR ".join(test.sql for test in tests) + ")",
        tuple(value for test in tests for value in test.values),
        source,
        max(test.cost for test in tests),
    )


def folded_test(column: str, pattern: Pattern) -> tuple[str, str]:
    """A condition on a column of folded text, and its one value."""
    if pattern.mode == "whole":
        return f"{column} = ?", pattern.text
    if pattern.mode == "contains":
        return f"instr({column}, ?) > 0", pattern.text
    return f"{column} GLOB ?", glob_text(pattern)


def glob_text(pattern: Pattern) -> str:
    """A pattern that begins or has asterisks, as SQLite's GLOB reads it."""
    text = pattern.text if pattern.mode == "glob" else pattern.text + "*"
    return text.replace("[", "[[]").replace("?", "[?]")

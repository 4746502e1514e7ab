# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""What filters ask of errors, as SQL: the texts that differ are looked at, not the jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.filters.causes import MARK, cause_of
from server.filters.patterns import Pattern
from server.store.codes import json_ids
from server.store.filter_tests import COSTLY, NEVER, Source, Test, any_of, folded_test, glob_text

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from server.store.filter_tests import Values

CAUSE_ID: Final = "coalesce((SELECT cause FROM outcomes WHERE attempt = j.attempt), 0)"
"""The row of the error text that a job's newest attempt ended with; 0: with none."""
MAX_LISTED: Final = 500
"""Error texts that are written out in a statement."""
_OF_CAUSES: Final = (
    "SELECT a.job FROM outcomes o JOIN attempts a ON a.id = o.attempt WHERE o.cause > 0"
)


def install_functions(db: sqlite3.Connection) -> None:
    """Give a connection the function that tests of causes call."""
    db.create_function("cause_of", 1, cause_of, deterministic=True)


class ErrorSql:
    """Tests of what jobs failed with.

    Args:
        sized: makes a source of a statement, with what it gives counted up to a cap.
        most: texts that are looked up beforehand.
    """

    def __init__(
        self, db: sqlite3.Connection, sized: Callable[[str, Values], Source], most: int
    ) -> None:
        self._db = db
        self._sized = sized
        self._most = most

    def error(self, pattern: Pattern) -> Test:
        """The text, or the words in which a range says why it failed, fits."""
        by_text, of_range = (folded_test(column, pattern) for column in ("folded", "problem"))
        is_blank = pattern.matches("")
        return any_of([self._texts(*by_text, is_blank=is_blank), self._ranges(*of_range)])

    def cause(self, pattern: Pattern) -> Test:
        """The cause that the text tells of fits; cheap tests leave few texts to find it of."""
        parts = [
            f"{column} GLOB ? AND {test}"
            for column in ("folded", "problem")
            for test in [folded_test(f"cause_of({column})", pattern)[0]]
        ]
        values = (_around(pattern), glob_text(pattern) if pattern.mode == "glob" else pattern.text)
        is_blank = pattern.matches("")
        by_text = self._texts(parts[0], *values, is_blank=is_blank)
        return any_of([by_text, self._ranges(parts[1], *values)])

    def told(self) -> Test:
        """Something is known of what went wrong."""
        texts = Test(f"{CAUSE_ID} > 0", (), self._sized(_OF_CAUSES, ()), COSTLY)
        return any_of([texts, self._ranges("1")])

    def _ranges(self, condition: str, *values: str) -> Test:
        """What fits why a range failed, which no attempt of it tells; it is written as folded."""
        sql = f"SELECT job FROM ranges WHERE problem <> '' AND {condition}"
        source = self._sized(sql, values)
        return Test(f"j.id IN ({sql})", values, source) if source.size else NEVER

    def _texts(self, condition: str, *values: str, is_blank: bool) -> Test:
        """Texts that fit, and with ``is_blank`` no text as well."""
        of_causes = f"SELECT id FROM causes WHERE {condition}"
        rows = self._db.execute(f"{of_causes} LIMIT {self._most}", values).fetchall()
        if not rows and not is_blank:
            return NEVER
        if is_blank:  # what fits an empty text fits jobs without an error
            return Test(f"{CAUSE_ID} IN (SELECT 0 UNION ALL {of_causes})", values, None, COSTLY)
        found = [row[0] for row in rows]
        if len(found) <= MAX_LISTED:
            return self._of(",".join(map(str, found)), ())
        if len(found) < self._most:
            return self._of("SELECT value FROM json_each(?)", (json_ids(found),))
        return self._of(of_causes, values)

    def _of(self, wanted: str, values: Values) -> Test:
        of_jobs = f"{_OF_CAUSES} AND o.cause IN ({wanted})"
        counted = f"SELECT 1 FROM outcomes WHERE cause > 0 AND cause IN ({wanted})"
        size = self._sized(counted, values).size  # without the join: it may count many
        return Test(f"{CAUSE_ID} IN ({wanted})", values, Source(of_jobs, values, size), COSTLY)


def _around(pattern: Pattern) -> str:
    """A pattern for texts of a cause: anything may stand where it has a mark or a space."""
    loose = pattern.text.replace(MARK, "*").replace(" ", "*")
    return glob_text(Pattern(f"*{loose}*", "glob"))

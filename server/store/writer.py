"""The connection as operations of a transaction use it: rows that can wait are written together.

The operations of a tick mostly do the same few things: 32 runners beat, 32 jobs are claimed. Rows
of the same statement, whichever operation they come from, go to SQLite in one call at the end,
which costs a fraction of a call for each. Whoever reads or writes anything else by
:meth:`Writer.read` and :meth:`Writer.execute` finds all of them written, so only code that leaves
rows waiting has to think of them.

The transaction begins with the first write. Operations that only look, as most of the clockwork's
do, need none, and are never a commit.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from server.store.codes import Row

Key: TypeAlias = "tuple[str, int | str]"
"""A table and what tells one row, or one group of rows, of it from others."""


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement whose rows may wait.

    Those of lower rank are written first, so statements about the same rows differ in rank.
    """

    sql: str
    rank: int = 0


class Writer:
    """One transaction's rows that wait, and the savepoint of the operation that runs.

    An operation whose rows all wait needs no savepoint: taking it back is forgetting them.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._rows: list[tuple[Statement, Row]] = []
        self._ranks: dict[Key, int] = {}
        """Keys with rows that wait, and the highest rank among these. After an operation was taken
        back there may be some too many, which only has rows written earlier than need be."""
        self._first_own = 0
        """Which of the rows is the running operation's first."""
        self._has_begun = False
        self._is_running = False
        self._is_guarded = False
        """Whether the running operation has a savepoint."""
        self.is_broken = False
        """Whether rows of earlier operations could not be written: the transaction has to end."""

    # one operation ---------------------------------------------------------------------

    def begin_operation(self) -> None:
        self._is_running = True
        self._is_guarded = False
        self._first_own = len(self._rows)

    def keep_operation(self) -> None:
        """The operation is done."""
        self._is_running = False
        if self._is_guarded:
            self._db.execute("RELEASE operation")

    def undo_operation(self) -> None:
        """Take back all that the operation wrote or left waiting."""
        self._is_running = False
        del self._rows[self._first_own :]
        if self._is_guarded:
            self._db.execute("ROLLBACK TO operation")
            self._db.execute("RELEASE operation")

    # the transaction -------------------------------------------------------------------

    def commit(self) -> None:
        """Write what waits, and commit if anything was written."""
        self.settle()
        if self._has_begun:
            self._db.execute("COMMIT")

    def forget(self) -> None:
        """The transaction is over: nothing waits."""
        self._rows.clear()
        self._ranks.clear()
        self._has_begun = False
        self._is_running = False
        self.is_broken = False

    @property
    def is_lost(self) -> bool:
        """Whether the transaction has to end: SQLite gave it up, as on a full disk, or rows of
        earlier operations cannot be written."""
        return self.is_broken or (self._has_begun and not self._db.in_transaction)

    def _begin(self) -> None:
        if self._has_begun:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
        except BaseException:
            self.is_broken = True
            raise
        self._has_begun = True

    # statements ------------------------------------------------------------------------

    def execute(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Run a statement now, after everything that waits."""
        self.settle()
        self._guard()
        return self._db.execute(sql, values)

    def executemany(self, sql: str, rows: Sequence[Row]) -> None:
        """Run a statement for many rows now, after everything that waits."""
        self.settle()
        self._guard()
        self._db.executemany(sql, rows)

    def read(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Read, after everything that waits was written."""
        self.settle()
        return self._db.execute(sql, values)

    def look(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Read what no waiting row changes, as the caller knows."""
        return self._db.execute(sql, values)

    def look_up(self, key: Key, sql: str, values: Sequence[Any]) -> sqlite3.Cursor:
        """Read the rows of one key."""
        if key in self._ranks:
            self.settle()
        return self._db.execute(sql, values)

    def is_waiting(self, key: Key) -> bool:
        return key in self._ranks

    def later(self, statement: Statement, key: Key, row: Row) -> None:
        """Leave a row waiting. Rows of one key are written in the order in which they came."""
        rank = statement.rank
        highest = self._ranks.setdefault(key, rank)
        if highest != rank:
            if highest > rank:
                self.settle()
            self._ranks[key] = rank
        self._rows.append((statement, row))

    def settle(self) -> None:
        """Write what waits, the running operation's own rows in its savepoint."""
        rows, first_own = self._rows, self._first_own
        if not rows:
            return
        self._rows, self._first_own = [], 0
        self._ranks.clear()
        self._begin()
        if self._is_running and not self._is_guarded:
            self._write_of_others(rows[:first_own])
            rows = rows[first_own:]
            if not rows:
                return
            self._guard()
        self._write(rows)

    def _guard(self) -> None:
        """Before something is written: all that the running operation writes is in a savepoint."""
        self._begin()
        if self._is_running and not self._is_guarded:
            self._db.execute("SAVEPOINT operation")
            self._is_guarded = True

    def _write_of_others(self, rows: Sequence[tuple[Statement, Row]]) -> None:
        """Write rows of earlier operations. Where that fails the running one is not to blame."""
        try:
            self._write(rows)
        except BaseException:
            self.is_broken = True
            raise

    def _write(self, rows: Sequence[tuple[Statement, Row]]) -> None:
        if not rows:
            return
        together: defaultdict[Statement, list[Row]] = defaultdict(list)
        for statement, row in rows:
            together[statement].append(row)
        for statement in sorted(together, key=attrgetter("rank")):
            self._db.executemany(statement.sql, together[statement])

# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Forgetting names that clients made up: types, queues, labels asked for, submitters.

Each is a row here and an entry in memory, so whoever makes up a new one with every job would
otherwise fill both. A step looks at the next few rows, round and round, and costs the same however
many there are: beside them it looks at counters of the last hours alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.model import JOB_STATES
from server.store.codes import json_ids
from server.store.memory import ARRIVED, LEFT
from server.store.sqlite_base import TxBase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.store.codes import Row

_IN: Final = "IN (SELECT value FROM json_each(?))"
_CLASSES: Final = "SELECT id FROM classes WHERE id > ? ORDER BY id LIMIT ?"
_NEWEST: Final = "SELECT max(id) FROM classes"
_FACETS: Final = (
    "SELECT id, cls, submitter, EXISTS (SELECT 1 FROM jobs WHERE facet = facets.id)"
    " FROM facets WHERE id > ? ORDER BY id LIMIT ?"
)
_FACETS_OF: Final = f"SELECT id, cls, submitter, 0 FROM facets WHERE cls {_IN}"
_TARGETS: Final = (
    "SELECT j.target FROM attempts a JOIN jobs j ON j.id = a.job"
    " WHERE a.is_live = 1 AND j.target > 0"
)


class UnusedOps(TxBase):
    """The part of a transaction that forgets unused names."""

    classes_seen = 0
    """Last class that was looked at."""
    facets_seen = 0
    """Last pair of a class and a submitter that was looked at."""

    def prune_unused(self, limit: int) -> int:
        return self._prune_classes(limit) + self._prune_facets(limit)

    def _prune_classes(self, limit: int) -> int:
        rows = self.db.read(_CLASSES, (self.classes_seen, limit)).fetchall()
        self.classes_seen = rows[-1][0] if len(rows) == limit else 0
        unused = [row[0] for row in rows if self._is_without_jobs(row[0])]
        unused = sorted(set(unused) - self._kept_classes()) if unused else []
        if not unused:
            return 0
        self._delete_facets(self.rows_in(_FACETS_OF, unused))
        memory = self.memory
        keys = self.rows_in(
            f"SELECT queue, type, requires, pin FROM classes WHERE id {_IN}", unused
        )
        memory.drop_all(memory.class_ids, keys)
        memory.drop_all(memory.classes, unused)
        memory.drop_all(
            memory.counts, [(cls, state) for cls in unused for state in range(len(JOB_STATES))]
        )
        queues = {key[0] for key in keys}
        memory.drop_all(memory.active, [name for name in queues if not memory.active.get(name)])
        self.db.execute(f"DELETE FROM counts WHERE cls {_IN}", (json_ids(unused),))
        self._delete_rows("classes", unused)
        return len(unused)

    def _is_without_jobs(self, cls: int) -> bool:
        counts = self.memory.counts
        return not any(counts.get((cls, state)) for state in range(len(JOB_STATES)))

    def _kept_classes(self) -> set[int]:
        """Classes that somebody may still mean: jobs on their way to them, counters of the last
        hours, counts that are yet to be written. The newest stays, so that no number is given
        twice: others remember what they know of a class by its number."""
        memory = self.memory
        kept = {key for _, kind, key in memory.activity if kind in (ARRIVED, LEFT)}
        kept.update(cls for cls, _ in memory.dirty_counts)
        kept.update(row[0] for row in self.db.read(_TARGETS, ()))
        kept.add(self.db.read(_NEWEST, ()).fetchone()[0])
        return kept

    def _prune_facets(self, limit: int) -> int:
        rows = self.db.read(_FACETS, (self.facets_seen, limit)).fetchall()
        self.facets_seen = rows[-1][0] if len(rows) == limit else 0
        unused = [row for row in rows if not row[3]]
        self._delete_facets(unused)
        return len(unused)

    def _delete_facets(self, rows: Sequence[Row]) -> None:
        """Forget pairs, and submitters of whom no other is left."""
        if not rows:
            return
        memory = self.memory
        for _, cls, submitter, _ in rows:
            memory.drop_facet(cls, submitter)
        self._delete_rows("facets", (row[0] for row in rows))
        gone = {row[2] for row in rows if row[2] not in memory.classes_of}
        names = [memory.submitters[one] for one in gone if one in memory.submitters]
        memory.drop_all(memory.submitter_ids, names)
        memory.drop_all(memory.submitters, gone)
        self._delete_rows("submitters", gone)

    def _delete_rows(self, table: str, ids: Iterable[int]) -> None:
        self.db.execute(f"DELETE FROM {table} WHERE id {_IN}", (json_ids(ids),))

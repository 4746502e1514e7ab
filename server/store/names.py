"""The small tables that many jobs point to, read once for one query."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from server.filters.patterns import fold

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable


class KnownClass(NamedTuple):
    queue: str
    type: str
    requires: str
    """JSON."""


class KnownRunner(NamedTuple):
    name: str
    uuid: str
    labels: str
    """JSON."""


class Names:
    """Classes, submitters, runners and counters, as of one state of the database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @cached_property
    def counts(self) -> dict[tuple[int, int], int]:
        """Jobs by class and state code."""
        rows = self._db.execute("SELECT cls, state, n FROM counts WHERE n > 0")
        return {(cls, state): number for cls, state, number in rows}

    @cached_property
    def total(self) -> int:
        return sum(self.counts.values())

    @cached_property
    def last_job(self) -> int:
        return int(self._db.execute("SELECT coalesce(max(id), 0) FROM jobs").fetchone()[0])

    @cached_property
    def classes(self) -> dict[int, KnownClass]:
        rows = self._db.execute("SELECT id, queue, type, requires FROM classes")
        return {row[0]: KnownClass(*row[1:]) for row in rows}

    @cached_property
    def facets(self) -> dict[int, tuple[int, int]]:
        """(class, submitter) by facet."""
        return {row[0]: (row[1], row[2]) for row in self._db.execute("SELECT * FROM facets")}

    @cached_property
    def runners(self) -> dict[int, KnownRunner]:
        rows = self._db.execute("SELECT id, name, uuid, labels FROM runners")
        return {row[0]: KnownRunner(*row[1:]) for row in rows}

    def classes_where(
        self, name: Literal["type", "queue"], fits: Callable[[str], bool]
    ) -> set[int]:
        """Classes whose type or queue fits; each name is tried once."""
        verdicts: dict[str, bool] = {}
        found: set[int] = set()
        for cls, known in self.classes.items():
            text = known.type if name == "type" else known.queue
            if text not in verdicts:
                verdicts[text] = fits(fold(text))
            if verdicts[text]:
                found.add(cls)
        return found

    def facets_of_classes(self, classes: set[int]) -> set[int]:
        return {facet for facet, (cls, _) in self.facets.items() if cls in classes}

    def facets_of_submitters(
        self, name: Literal["owner", "origin"], fits: Callable[[str], bool]
    ) -> set[int]:
        column = 1 if name == "owner" else 2
        rows = self._db.execute("SELECT id, owner, origin FROM submitters")
        submitters = {row[0] for row in rows if fits(fold(row[column]))}
        return {facet for facet, (_, one) in self.facets.items() if one in submitters}

    def facets_of_owner(self, owner: str) -> set[int]:
        """Facets of exactly this owner's jobs: who may see what does not go by folded names."""
        rows = self._db.execute("SELECT id FROM submitters WHERE owner = ?", (owner,))
        submitters = {row[0] for row in rows}
        return {facet for facet, (_, one) in self.facets.items() if one in submitters}

    def facets_size(self, facets: set[int]) -> int:
        """At most how many jobs these have."""
        classes = {self.facets[facet][0] for facet in facets}
        return sum(number for (cls, _), number in self.counts.items() if cls in classes)

    def schedules_where(self, fits: Callable[[str], bool]) -> list[int]:
        """Schedules by name, deleted ones too: their jobs are still there."""
        rows = self._db.execute("SELECT id, name FROM schedules")
        return [number for number, name in rows if fits(fold(name))]

    def runners_where(self, fits: Callable[[str], bool], *, with_ids: bool) -> list[int]:
        return [
            runner
            for runner, known in self.runners.items()
            if fits(fold(known.name)) or (with_ids and fits(fold(known.uuid)))
        ]

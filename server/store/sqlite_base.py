"""What all parts of the SQLite transaction share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from server.store.codes import json_ids
from server.store.event_pages import PageBook
from server.store.writer import Writer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection

    from server.events import Event
    from server.store.base import CachedJob
    from server.store.codes import Row
    from server.store.memory import Memory


FEW: Final = 4
"""Fewer rows than this wait for those of other operations; more are worth a statement of their
own, which takes what they have in common only once."""


TxMark: TypeAlias = "tuple[int, int, int, int]"
"""How far a transaction was before an operation began: what memory had logged, and how many events,
callbacks and classes it had collected."""


class TxBase:
    """The writer, the memory, and what is collected until the commit."""

    def __init__(self, db: sqlite3.Connection, memory: Memory) -> None:
        self.db = Writer(db)
        self.memory = memory
        self.events: list[Event] = []
        self.callbacks: list[Callable[[], object]] = []
        self.ready: list[int] = []
        """Classes in which jobs became pending."""
        self.looked_up: dict[str, CachedJob | None] = {}
        """Cache keys that were looked up ahead, and did not change since."""
        self.pages = PageBook()
        self.causes_seen = 0
        """Last error text that retention looked at."""

    def mark(self) -> TxMark:
        return len(self.memory.log), len(self.events), len(self.callbacks), len(self.ready)

    def rewind(self, mark: TxMark) -> None:
        """Forget what was collected and changed in memory since the mark."""
        memory, events, callbacks, ready = mark
        self.memory.rewind(memory)
        del self.events[events:]
        del self.callbacks[callbacks:]
        del self.ready[ready:]

    def reset(self) -> None:
        """Begin again with nothing collected."""
        self.events = []
        self.callbacks = []
        self.ready = []
        self.looked_up.clear()
        self.db.forget()

    def after_commit(self, call: Callable[[], object]) -> None:
        self.callbacks.append(call)

    def rows_in(self, sql: str, ids: Collection[int]) -> list[Row]:
        """Rows of a statement whose only value is a set of ids."""
        if not ids:
            return []
        return self.db.read(sql, (json_ids(ids),)).fetchall()

    def facet(self, cls: int, submitter: int) -> int:
        """The number of a class and submitter together."""
        key = (cls, submitter)
        known = self.memory.facet_ids.get(key)
        if known is None:
            cursor = self.db.execute("INSERT INTO facets (cls, submitter) VALUES (?,?)", key)
            known = cursor.lastrowid or 0
            self.memory.put_facet(cls, submitter, known)
        return known

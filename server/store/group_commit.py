"""Many operations, one commit.

Operations handed in during a tick of the loop run in one transaction, each in a savepoint of its
own, in the order they came. One sync then covers all of them, which is what makes durable answers
affordable; whoever waits is answered after it.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from server.errors import Busy, DiskFull, StoreError
from server.store.base import Committed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from server.events import Event
    from server.store.base import Tx
    from server.store.sqlite_tx import SqliteTx

T = TypeVar("T")

BATCH = 512
"""Operations in one transaction; the loop breathes before the next."""

GATHER_ROUNDS = 3
"""How often the loop may look for more requests before a commit, while more keep coming."""


# Plain tuples, as each operation needs one of either.
_Waiting: TypeAlias = "tuple[Callable[[Tx], Any], asyncio.Future[Any]]"
_Verdict: TypeAlias = "tuple[asyncio.Future[Any], Any, BaseException | None]"


class GroupCommit:
    """The queue of operations of one loop, and the commit that empties it."""

    def __init__(self, db: sqlite3.Connection, tx: SqliteTx, max_waiting: int) -> None:
        self._db = db
        self._tx = tx
        self._max_waiting = max_waiting
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiting] = deque()
        self._cache_keys: list[str] = []
        """Those that operations waiting will look up."""
        self._is_scheduled = False
        self._seen = 0
        self._rounds = 0
        self._is_closed = False
        self._listeners: list[Callable[[Committed], None]] = []
        self._last: list[Callable[[Tx], None]] = []

    def before_commit(self, operation: Callable[[Tx], None]) -> None:
        self._last.append(operation)

    def on_commit(self, listener: Callable[[Committed], None]) -> None:
        self._listeners.append(listener)

    def apply(
        self, operation: Callable[[Tx], T], cache_keys: Collection[str] = ()
    ) -> asyncio.Future[T]:
        if self._is_closed:
            raise Busy("The coordinator is shutting down.")
        if len(self._waiting) >= self._max_waiting:
            raise Busy("The coordinator has more work queued than it accepts.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._waiting.append((operation, future))
        if cache_keys:
            self._cache_keys += cache_keys
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._flush)
        return future

    def close(self) -> None:
        """Commit what is queued; refuse what comes later."""
        self._is_closed = True
        while self._waiting:
            self._commit(self._take())

    # one tick --------------------------------------------------------------------------

    def _flush(self) -> None:
        if self._is_gathering():
            self._loop.call_soon(self._flush)
            return
        self._is_scheduled = False
        if not self._waiting:
            return
        try:
            self._commit(self._take())
        finally:
            if self._waiting and not self._is_scheduled:
                self._is_scheduled = True
                self._loop.call_soon(self._flush)

    def _is_gathering(self) -> bool:
        """Whether to look at the sockets once more first, because requests are still coming in.

        It costs an idle system one round of the loop, some 20 us, and lets a busy one share a sync
        among half as many requests again. There is no waiting: each round has to bring something.
        """
        number = len(self._waiting)
        if number > self._seen and self._rounds < GATHER_ROUNDS:
            self._seen, self._rounds = number, self._rounds + 1
            return True
        self._seen = self._rounds = 0
        return False

    def _take(self) -> list[_Waiting]:
        waiting = self._waiting
        taken = [waiting.popleft() for _ in range(min(len(waiting), BATCH))]
        # Whoever was cancelled before its operation began does not want it any more.
        return [one for one in taken if not one[1].done()]

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        if not batch:
            return
        try:
            self._transact(batch, self._last)
        except Exception:
            for one in batch:  # alone, so that only the guilty one fails
                self._commit_alone(one)

    def _commit_alone(self, one: _Waiting) -> None:
        """Without what would come last, as that may be to blame."""
        try:
            self._transact([one], ())
        except Exception as error:
            _answer([(one[1], None, in_words(error))])

    def _transact(self, batch: Sequence[_Waiting], last: Sequence[Callable[[Tx], None]]) -> None:
        """Run a batch and commit it, or leave everything as it was and raise."""
        tx = self._tx
        began = time.perf_counter()
        cache_keys, self._cache_keys = self._cache_keys, []
        try:
            if len(cache_keys) > 1:
                tx.look_up_cached(cache_keys)
            verdicts = [(future, *self._run(operation)) for operation, future in batch]
            for operation in last:
                _, error = self._run(operation)
                if error is not None:
                    self._report(error)
            events = tx.write_pending()
            tx.db.commit()
        except BaseException:
            self._abandon()
            raise
        self._announce(verdicts, events, time.perf_counter() - began)

    def _run(self, operation: Callable[[Tx], Any]) -> tuple[Any, Exception | None]:
        """What an operation gave, or why it failed; one that failed leaves nothing."""
        tx, writer = self._tx, self._tx.db
        mark = tx.mark()
        writer.begin_operation()
        try:
            value = operation(tx)
        except Exception as error:
            if writer.is_lost:
                raise
            writer.undo_operation()
            tx.rewind(mark)
            return None, in_words(error)
        writer.keep_operation()
        return value, None

    def _abandon(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._tx.memory.rewind(0)
        self._tx.memory.settle()
        self._tx.pages.forget()
        self._tx.reset()

    def _announce(self, verdicts: Sequence[_Verdict], events: list[Event], seconds: float) -> None:
        tx = self._tx
        callbacks, ready = tx.callbacks, set(tx.ready)
        tx.memory.settle()
        tx.reset()
        for call in callbacks:  # one of the hottest loops, so its boundary stands in it
            try:
                call()
            except Exception as error:
                self._report(error)
        if events or ready:
            committed = Committed(events, ready, seconds)
            for listener in self._listeners:
                try:
                    listener(committed)
                except Exception as error:
                    self._report(error)
        _answer(verdicts)

    def _report(self, error: Exception) -> None:
        """Somebody's code before or after a commit failed: that is told, and stops nobody."""
        self._loop.call_exception_handler(
            {"message": "A call around a commit failed.", "exception": error}
        )


def _answer(verdicts: Sequence[_Verdict]) -> None:
    for future, value, error in verdicts:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def in_words(error: Exception) -> Exception:
    """An error of SQLite as one for people; others as they are."""
    if not isinstance(error, sqlite3.Error):
        return error
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    told: Exception
    if code == sqlite3.SQLITE_FULL:
        told = DiskFull("The disk is full: nothing was stored.")
    elif code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        told = Busy("The database is locked by another program.")
    else:
        told = StoreError(f"The database failed: {error}.")
    told.__cause__ = error
    return told

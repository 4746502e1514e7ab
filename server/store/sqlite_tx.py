"""The transaction that operations are given, put together from its parts."""

from __future__ import annotations

from server.store.sqlite_alike import AlikeOps
from server.store.sqlite_attempts import AttemptOps
from server.store.sqlite_ledger import LedgerOps
from server.store.sqlite_output import OutputOps
from server.store.sqlite_prune import PruneOps
from server.store.sqlite_ranges import RangeOps
from server.store.sqlite_registry import RegistryOps
from server.store.sqlite_schedules import ScheduleOps
from server.store.sqlite_unused import UnusedOps


class SqliteTx(
    AttemptOps,
    AlikeOps,
    RegistryOps,
    ScheduleOps,
    OutputOps,
    LedgerOps,
    RangeOps,
    PruneOps,
    UnusedOps,
):
    """Implements :class:`server.store.base.Tx` on one SQLite connection."""

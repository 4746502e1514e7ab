"""Opening the store that the configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.folder import private_opener
from server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from server.clock import Clock
    from server.settings import Settings
    from server.store.base import Store

DATABASE_FILE = "traffic.db"


def make_store(folder: Path, settings: Settings, clock: Clock) -> Store:
    """The store of a data folder, not open yet.

    The file is made here, private whatever the umask; SQLite gives its side files the same mode.
    """
    path = folder / DATABASE_FILE
    with open(path, "ab", opener=private_opener):
        pass
    return SqliteStore(path, clock=clock, durability=settings.server.durability)

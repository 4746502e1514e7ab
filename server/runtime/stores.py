"""Opening the store that the configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.folder import private_opener
from server.runtime.problems import RuntimeProblem
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

    Raises:
        RuntimeProblem: there can be no such file, in words.
    """
    path = folder / DATABASE_FILE
    try:
        with open(path, "ab", opener=private_opener):
            pass
    except OSError as error:
        raise RuntimeProblem(f"{path} cannot be written: {error.strerror}") from error
    return SqliteStore(path, clock=clock, durability=settings.server.durability)

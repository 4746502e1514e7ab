"""Bringing a database to the schema this program knows: forward only, one step a transaction."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from server.errors import StoreError
from server.store.schema import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

APPLICATION_ID = 0x54524646
"""Says in the file's header whose database it is."""


def schema_version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def migrate(
    db: sqlite3.Connection, path: Path | None, steps: Sequence[str] = MIGRATIONS
) -> Path | None:
    """Run the steps that are missing. The answer is the backup made before, if any.

    Raises:
        StoreError: the database is newer than this program, or is not ours.
    """
    version = schema_version(db)
    if version == len(steps):
        return None
    _refuse_foreign(db, version, path)
    if version > len(steps):
        raise StoreError(
            f"{path} has schema version {version}; this program knows versions up to "
            f"{len(steps)}. Use the newer program that wrote it, or restore a backup."
        )
    backup = _back_up(db, path, version) if version and path is not None else None
    for number in range(version, len(steps)):
        _run_step(db, number, steps[number])
    return backup


def _refuse_foreign(db: sqlite3.Connection, version: int, path: Path | None) -> None:
    application = int(db.execute("PRAGMA application_id").fetchone()[0])
    tables = int(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
    if tables and application != APPLICATION_ID:
        raise StoreError(
            f"{path} is a database of another program (version {version}); "
            "choose another data folder."
        )


def _back_up(db: sqlite3.Connection, path: Path, version: int) -> Path:
    """Copy the database beside itself, whole and checked by SQLite, before it is changed."""
    backup = path.with_name(f"{path.name}.v{version}.bak")
    partial = backup.with_name(backup.name + ".partial")
    partial.unlink(missing_ok=True)
    with closing(sqlite3.connect(partial)) as target:
        db.backup(target)
    partial.chmod(0o600)
    partial.replace(backup)
    return backup


def _run_step(db: sqlite3.Connection, number: int, step: str) -> None:
    # Imported here: it costs more than opening the store, and is needed once in a version's life.
    from sqlite_utils import Database

    database = Database(db)
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(step):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {number + 1}")
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _statements(step: str) -> list[str]:
    """The statements of a step; ``executescript`` would commit before it begins."""
    statements: list[str] = []
    pending = ""
    for line in step.splitlines():
        pending += line + "\n"
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements

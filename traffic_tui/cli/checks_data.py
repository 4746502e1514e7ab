"""The data folder: whose it is, whether its store is whole, whether there is room."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from typing import TYPE_CHECKING

from traffic_tui.cli.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from traffic_tui.cli.settings import Start

STORE_FILE = "traffic.db"
CHECK_SECONDS = 10.0
"""A large store is looked at for so long and no longer."""
COMFORTABLE = 4
"""Times ``min_free`` above which nothing needs saying."""


def data_findings(start: Start) -> list[Finding]:
    """Everything about the data folder."""
    findings = [folder_finding(start.folder)]
    if start.folder.is_dir():
        findings += [keys_finding(start.folder), store_finding(start.folder)]
    return [*findings, disk_finding(start.folder, start.settings.storage.min_free)]


def folder_finding(folder: Path) -> Finding:
    """Whether it is there, ours, and closed to others."""
    if not folder.exists():
        return Finding("ok", "data", f"{folder} is made at the first start")
    if not folder.is_dir():
        return Finding("bad", "data", f"{folder} is no folder", "name another one with --data-dir")
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding("bad", "data", f"{folder} may not be written to", "chown it to this user")
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        words = f"{folder} is open to other users (mode {mode:04o})"
        return Finding("warn", "data", words, f"chmod 700 {folder}")
    return Finding("ok", "data", str(folder))


def keys_finding(folder: Path) -> Finding:
    """Whether the keys of this box can be used, and by this user alone."""
    from server.keyfile import KEY_FILE, KeyFileProblem, read_keys

    try:
        keys = read_keys(folder)
    except KeyFileProblem as problem:
        words, _, advice = str(problem).partition("; ")
        return Finding("bad", "keys", words, advice)
    if not keys:
        return Finding("ok", "keys", f"{folder / KEY_FILE} is made at the first start")
    return Finding("ok", "keys", f"{len(keys)} in {folder / KEY_FILE}, readable by you alone")


def store_finding(folder: Path) -> Finding:
    """SQLite's own quick check, on a connection that cannot write."""
    path = folder / STORE_FILE
    if not path.exists():
        return Finding("ok", "store", "none yet, it is made at the first start")
    try:
        problems = quick_check(path)
    except sqlite3.OperationalError as error:
        if "interrupted" in str(error):
            return Finding("ok", "store", f"{path}: no fault found in {CHECK_SECONDS:g} s")
        return Finding("warn", "store", f"{path} could not be looked at: {error}")
    except sqlite3.DatabaseError as error:
        return Finding("bad", "store", f"{path}: {error}", _HURT_ADVICE)
    if problems:
        return Finding("bad", "store", f"{path}: {problems[0]}", _HURT_ADVICE)
    return Finding("ok", "store", f"{path} is whole")


_HURT_ADVICE = "stop the coordinator, keep a copy of the folder, then restore a backup"


def quick_check(path: Path) -> Sequence[str]:
    """What SQLite finds wrong, at most a few lines; empty: nothing.

    Raises:
        sqlite3.Error: it cannot be read, or the time was over (``interrupted``).
    """
    from time import monotonic

    ends_at = monotonic() + CHECK_SECONDS
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
    try:
        connection.set_progress_handler(lambda: monotonic() > ends_at, 100_000)
        rows = connection.execute("PRAGMA quick_check(5)").fetchall()
    finally:
        connection.close()
    lines = [str(row[0]) for row in rows]
    return [] if lines == ["ok"] else lines


def disk_finding(folder: Path, min_free: int) -> Finding:
    """Whether there is room: below ``min_free`` no job is taken."""
    from traffic_tui.state.formats import size

    place = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    words = f"{size(free)} free, jobs are refused below {size(min_free)}"
    if free < min_free:
        return Finding("bad", "disk", words, "make room, or lower storage.min_free")
    if free < COMFORTABLE * min_free:
        return Finding("warn", "disk", words, "make room soon")
    return Finding("ok", "disk", words)

"""Connections for reading: some are there whatever happens to the process."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

from server.store.read_pool import THREADS, ReadPool

if TYPE_CHECKING:
    from pathlib import Path


async def test_reads_take_turns_where_no_further_connection_can_be_opened(tmp_path: Path) -> None:
    file = tmp_path / "some.db"
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE numbers AS SELECT 7 AS number")
    db.close()
    pool = ReadPool(file)
    try:
        file.rename(tmp_path / "elsewhere.db")  # opening it fails as it does without descriptors
        reads = [pool.run(_number) for _ in range(4 * THREADS)]
        async with asyncio.timeout(10):
            assert await asyncio.gather(*reads) == [7] * len(reads)
    finally:
        pool.close()


def _number(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT number FROM numbers").fetchone()[0])

"""The lock that keeps a second coordinator off the same data."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from server.errors import StoreError, StoreLocked

if TYPE_CHECKING:
    from pathlib import Path


class FolderLock:
    """An advisory lock on a file beside the database. The kernel drops it with the process."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._database = database
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            StoreLocked: another process has it.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(
                f"The lock file {self._path} cannot be opened: {error.strerror}."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StoreLocked(
                f"{self._database} is in use by another coordinator"
                f"{f' (process {holder})' if holder.isdigit() else ''}. "
                "Attach to that one, or choose another data folder."
            ) from error
        _sign(descriptor)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two take it at once."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _sign(descriptor: int) -> None:
    """Say whose it is. For people only: it is held without that too, as on a full disk."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())

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
    """An advisory lock on a file beside the database, and on the folder: people remove files that
    end with ``.lock``. The kernel drops both with the process."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._database = database
        self._descriptor: int | None = None
        self._folder: int | None = None

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
            self._folder = _locked_folder(self._path.parent)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise StoreLocked(
                f"{self._database} is in use by another coordinator"
                f"{f' (process {holder})' if holder.isdigit() else ''}. "
                "Attach to that one, or choose another data folder."
            ) from error
        except OSError as error:
            os.close(descriptor)
            raise StoreError(
                f"The lock file {self._path} cannot be locked: {error.strerror}."
            ) from error
        _sign(descriptor)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back. The file stays: removing it would let two take it at once."""
        for descriptor in (self._folder, self._descriptor):
            if descriptor is not None:
                os.close(descriptor)
        self._folder = self._descriptor = None


def _locked_folder(folder: Path) -> int | None:
    """The folder, open and locked; None: this file system locks no folders.

    Raises:
        BlockingIOError: another process has it.
    """
    descriptor: int | None = None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if descriptor is not None:
            os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise
        return None
    return descriptor


def _sign(descriptor: int) -> None:
    """Say whose it is. For people only: it is held without that too, as on a full disk."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())

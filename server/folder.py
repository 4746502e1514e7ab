"""The data folder: where it is, and that it belongs to this user alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.settings import Settings

APPLICATION = "traffic-tui"
FOLDER_MODE = 0o700
FILE_MODE = 0o600


class FolderProblem(Exception):
    """The data folder cannot be used; the text says why and what to do."""


def data_folder(
    given: Path | None, settings: Settings | None, environment: Mapping[str, str]
) -> Path:
    """Where jobs are kept: the flag, the configuration, systemd's folder, the user's own."""
    if given is not None:
        return given.expanduser().absolute()
    if settings is not None and settings.server.data_dir is not None:
        return settings.server.data_dir.expanduser().absolute()
    if of_systemd := environment.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(of_systemd)
    return Path(platformdirs.user_data_dir(APPLICATION))


def prepare_folder(folder: Path) -> list[str]:
    """Make the folder (mode 0700) where it is missing. The answer is what to warn of.

    Raises:
        FolderProblem: it cannot be made or written to.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        status = folder.stat()
    except OSError as error:
        raise FolderProblem(
            f"the data folder {folder} cannot be made: {error.strerror}; "
            "name another one with --data-dir or server.data_dir"
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise FolderProblem(
            f"the data folder {folder} may not be written to by this user; "
            f"give it away with chown, or name another one with --data-dir"
        )
    return _mode_warnings(folder, status)


def _mode_warnings(folder: Path, status: os.stat_result) -> list[str]:
    """A folder that was there before keeps its mode: others may need it. But say so."""
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 == 0:
        return []
    return [
        f"the data folder {folder} is open to other users (mode {mode:04o}); "
        f"unless that is meant: chmod 700 {folder}"
    ]


def private_opener(path: str, flags: int) -> int:
    """Opener for :func:`open` that makes files for this user alone, whatever the umask."""
    return os.open(path, flags, FILE_MODE)

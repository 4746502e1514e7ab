"""Folders and files for this user alone, whatever the umask: output of jobs is kept in them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def make_folder(folder: Path) -> None:
    """Make a folder and whatever is missing above it.

    ``Path.mkdir`` gives its mode to the last one only, and one of those above may become the
    coordinator's data folder.
    """
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file anew, readable by this user alone from its first byte on."""
    with open(path, "w", encoding="utf-8", opener=_opener) as file:
        file.write(text)


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)

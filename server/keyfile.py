"""``keys.toml`` in the data folder: one key for each role, made at the first start.

It is how a console, a command line or an agent of the same user gets in without configuration.
"""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING

from server.folder import FILE_MODE
from server.ids import new_secret, new_uuid
from server.model import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from server.model import Role

KEY_FILE = "keys.toml"
_TABLE = "keys"
_HEAD = """\
# Keys of this coordinator, one for each role. Whoever can read this file can use them all.
# Removing a line, or the file, takes that key away at the next start; a missing file is made anew.
"""


class KeyFileProblem(Exception):
    """``keys.toml`` cannot be made or read; the text never holds a key."""


def ensure_keys(folder: Path) -> dict[Role, str]:
    """The keys of a data folder, made first where there is no file yet.

    Raises:
        KeyFileProblem: the file cannot be made or read.
    """
    path = folder / KEY_FILE
    if not path.exists():
        _create(path, {role: new_secret() for role in ROLES})
    return read_keys(folder)


def read_keys(folder: Path) -> dict[Role, str]:
    """The keys of a data folder; none where there is no file.

    Raises:
        KeyFileProblem: the file cannot be read, or is open to other users.
    """
    path = folder / KEY_FILE
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            document = tomllib.loads(file.read().decode("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise KeyFileProblem(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:  # no cause: it may quote the file
        raise KeyFileProblem(
            f"{path} is not the key file that was written here; move it away and start again: "
            "new keys are made"
        ) from None
    if mode & 0o077:
        raise KeyFileProblem(
            f"{path} can be read by other users, so its keys may be known to them; remove it to "
            f"have new ones made, or keep them with: chmod 600 {path}"
        )
    return _keys_in(document, path)


def _keys_in(document: Mapping[str, object], path: Path) -> dict[Role, str]:
    entries = document.get(_TABLE)
    if not isinstance(entries, dict):
        raise KeyFileProblem(f"{path} has no table [{_TABLE}]; remove it to have new keys made")
    keys: dict[Role, str] = {}
    for role in ROLES:
        secret = entries.get(role)
        if secret is None:
            continue
        if not isinstance(secret, str) or len(secret) < 16 or not secret.isascii():
            raise KeyFileProblem(f"{path}: the key of {role!r} is no text of 16 or more letters")
        keys[role] = secret
    return keys


def _create(path: Path, keys: Mapping[Role, str]) -> None:
    """Write the file whole under another name, then give it its own unless somebody was faster."""
    lines = "".join(f'{role} = "{secret}"\n' for role, secret in keys.items())
    draft = path.with_name(f".{path.name}.{new_uuid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(f"{_HEAD}\n[{_TABLE}]\n{lines}")
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        finally:
            draft.unlink()
    except FileExistsError:
        return  # a neighbour's file is as good
    except OSError as error:
        raise KeyFileProblem(f"{path} cannot be made: {error.strerror}") from error

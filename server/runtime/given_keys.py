"""Collecting the keys that are given from outside: variables, files, and the data folder's own."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, cast

from server.keyfile import KeyFileProblem, ensure_keys
from server.keyring import GivenKey
from server.runtime.problems import RuntimeProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.model import Role
    from server.settings import KeySettings, SecretSource

MIN_SECRET = 16
"""Shortest key that is accepted, in characters: shorter ones can be tried out."""
MAX_SECRET = 1_000


def configured_keys(keys: KeySettings, environment: Mapping[str, str]) -> list[GivenKey]:
    """The keys of the configuration. A variable that is not set gives none.

    Raises:
        RuntimeProblem: a file cannot be read, or a key is too short.
    """
    given: list[GivenKey] = []
    for field in fields(keys):
        source: SecretSource = getattr(keys, field.name)
        secret = read_secret(f"keys.{field.name}", source, environment)
        if secret:
            role = cast("Role", field.name.replace("_", "-"))
            given.append(GivenKey(name=role, role=role, secret=secret))
    return given


def filed_keys(folder: Path) -> list[GivenKey]:
    """The keys of the data folder, made at the first start.

    Raises:
        RuntimeProblem: they cannot be made or read.
    """
    try:
        keys = ensure_keys(folder)
    except KeyFileProblem as error:
        raise RuntimeProblem(str(error)) from error
    return [GivenKey(name=role, role=role, secret=secret) for role, secret in keys.items()]


def read_secret(key: str, source: SecretSource, environment: Mapping[str, str]) -> str:
    """The secret a source holds; its value never appears in an error."""
    secret = _from_file(key, source.file) if source.file else environment.get(source.env, "")
    where = f"the file {source.file}" if source.file else f"the variable {source.env}"
    secret = secret.strip()
    if secret and not MIN_SECRET <= len(secret) <= MAX_SECRET:
        raise RuntimeProblem(
            f"{key}: {where} holds a key of {len(secret)} characters; it takes {MIN_SECRET} to "
            f"{MAX_SECRET}"
        )
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        raise RuntimeProblem(
            f"{key}: {where} holds a key with blanks or other than ASCII characters, which cannot "
            "be sent in a header"
        )
    return secret


def _from_file(key: str, name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_SECRET * 2).decode("utf-8", "replace")
    except OSError as error:
        raise RuntimeProblem(f"{key}: the file {name} cannot be read: {error.strerror}") from error

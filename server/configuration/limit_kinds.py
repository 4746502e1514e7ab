"""Kinds of values about what jobs may do on the agent's box: limits, and folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from server.configuration.kinds import NONE, Duration, Integer, Number, Size, shown

if TYPE_CHECKING:
    from server.configuration.kinds import Kind

MAX_FOLDERS = 100
YEAR_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class OrNone:
    """What another kind reads, or "none"."""

    kind: Kind

    def read(self, value: object) -> Any:
        if value == NONE:
            return None
        try:
            return self.kind.read(value)
        except ValueError as error:
            raise ValueError(f'{error}; "none" means no limit') from None

    def write(self, setting: Any) -> Any:
        return NONE if setting is None else self.kind.write(setting)


@dataclass(frozen=True, slots=True)
class Folders:
    """A list of folders, each by its whole path."""

    def read(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > MAX_FOLDERS:
            raise ValueError(f"has to be a list of at most {MAX_FOLDERS} folders")
        return tuple(_folder(entry) for entry in value)

    def write(self, setting: tuple[str, ...]) -> list[str]:
        return list(setting)


def _folder(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("/") or not value.isprintable():
        raise ValueError(
            f'has to name folders from the root on, as "/srv/data", not {shown(value)}'
        )
    path = PurePosixPath(value)
    if ".." in path.parts or path == PurePosixPath("/"):
        raise ValueError(f'cannot hold {shown(value)}: neither the whole box nor ".." is taken')
    return str(path)


LIMIT_KINDS: dict[str, OrNone] = {
    "memory": OrNone(Size(least=1024 * 1024)),
    "pids": OrNone(Integer(1, 4_000_000)),
    "cpu": OrNone(Number(0.01, 10_000)),
    "io": OrNone(Size(least=1024)),
    "wall": OrNone(Duration(least_ms=100, most_ms=YEAR_MS)),
}
"""Each limit by its name, in the file and in a job's parameters."""

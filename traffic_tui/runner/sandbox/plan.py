"""What the launcher is told: the one form in which both sides know it."""

from __future__ import annotations

import marshal
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

StepKind: TypeAlias = Literal[
    "show", "share", "device", "link", "file", "folder", "tmpfs", "proc", "devpts"
]
Step: TypeAlias = tuple[StepKind, str, str]
"""Kind; source, text or mount options; the path in the room.

``show`` is the host's, read-only; ``share`` may be written to; ``device`` is a device file. Their
sources are real paths, without a link in them.
"""


@dataclass(frozen=True, slots=True)
class Room:
    """Namespaces, and what is seen in them."""

    uid: int
    gid: int
    """Who its root is on the host, where the agent may choose."""
    host_name: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A program and everything around it."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    pass_fds: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()
    """Files of control groups that the program is to be written into."""
    rlimits: Mapping[str, int] = field(default_factory=dict)
    """Names of the resource module, such as ``RLIMIT_CORE``."""
    room: Room | None = None

    def descriptor(self) -> int:
        """An open file with the plan in it. Marshalled: the reader is the same interpreter."""
        told = asdict(self) | {"env": dict(self.env), "rlimits": dict(self.rlimits)}
        told |= told.pop("room") or {}
        fd = os.memfd_create("plan")
        with os.fdopen(os.dup(fd), "wb") as file:
            file.write(marshal.dumps({**told, "is_roomed": self.room is not None}))
        os.lseek(fd, 0, os.SEEK_SET)
        return fd

"""How a launcher is started, for jobs and for finding out whether rooms are permitted."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from traffic_tui.runner.sandbox.plan import Plan

SCRIPT = Path(__file__).parent / "launcher" / "alone.py"


def has_launcher() -> bool:
    """Whether this system has what a launcher needs: only Linux has."""
    return hasattr(os, "memfd_create")


class Start(NamedTuple):
    """What to run, and the descriptors that it inherits beside its pipes."""

    argv: list[str]
    pass_fds: tuple[int, ...]
    news_fd: int
    """Our end, where the launcher's news come."""
    theirs: tuple[int, ...]
    """To be closed by us once it runs."""


def launcher_start(plan: Plan) -> Start:
    news, status = os.pipe()
    described = plan.descriptor()
    argv = [sys.executable, "-I", "-S", str(SCRIPT), str(status), str(described)]
    theirs = (status, described)
    return Start(argv, (*theirs, *plan.pass_fds), news, theirs)


def close_all(descriptors: tuple[int, ...]) -> None:
    for fd in descriptors:
        os.close(fd)

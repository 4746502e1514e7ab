"""Groups of agents that died without being able to tidy up, known by name and by a lock.

A file for each agent's life names the groups it made, and is locked while the agent lives. What
can be locked was left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from traffic_tui.runner.guard_process import end_group_tree
from traffic_tui.runner.private import make_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)


class GroupRecord:
    """The file of one agent's life."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._fd = -1

    def open(self, paths: Sequence[str]) -> None:
        """Tidy up after those that are no more, then write down what is ours."""
        make_folder(self._folder)
        for left in sorted(self._folder.iterdir()):
            if left.name != self._name:
                _tidy_up(left)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self._folder / self._name, flags, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(self._fd, "\n".join(paths).encode())

    def close(self) -> None:
        """There is nothing left to be tidied up."""
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                (self._folder / self._name).unlink()
            os.close(self._fd)
            self._fd = -1


def _tidy_up(record: Path) -> None:
    """End what a dead agent left, unless that agent is not dead."""
    try:
        fd = os.open(record, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for path in record.read_text(errors="replace").splitlines():
            # The name is in the path: a damaged file cannot name anything else of this box.
            if Path(path).name == record.name and Path(path).is_dir():
                log.warning("ending what an agent that died left behind in %s", path)
                end_group_tree(path)
        record.unlink()
    except OSError as error:
        log.debug("%s is left alone: %s", record, error)
    finally:
        os.close(fd)

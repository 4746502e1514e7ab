"""Room for many connections, and what happens when all of it is taken.

A process may open so many files and no more; connections are files, too. The last few are kept
back from connections that come in, so that the store, runners that are called and the log find
some whatever knocks at the door.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import time
from typing import TYPE_CHECKING

from server.runtime.problems import RuntimeProblem

if TYPE_CHECKING:
    from collections.abc import Callable

WANTED_OPEN_FILES = 65_536
FEW_OPEN_FILES = 256
"""Of no more than these a warning is given."""
LEAST_OPEN_FILES = 64
"""With fewer there would be no room for anybody: the coordinator alone has about 25."""
MOST_KEPT_BACK = 64
KEPT_BACK_SHARE = 4
"""Of few files, one in so many is kept back."""
CALM_SECONDS = 60.0
"""Shortage is over when none was seen for so long: with each connection that goes one comes."""

ALLOW_MORE = (
    "allow more with `ulimit -n 65536` before the start, or LimitNOFILE=65536 in the unit of "
    "systemd"
)

logger = logging.getLogger(__name__)


def raise_open_files_limit() -> int:
    """Use what the system allows this process; the usual default of 1,024 is soon used up.

    Returns:
        How many files may be open at once.

    Raises:
        RuntimeProblem: they are too few to serve anybody.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_OPEN_FILES if hard == resource.RLIM_INFINITY else min(WANTED_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
        except (OSError, ValueError) as error:
            logger.warning("at most %d connections and files can be open: %s", soft, error)
    allowed = WANTED_OPEN_FILES if soft == resource.RLIM_INFINITY else soft
    words = f"only {allowed} connections and files may be open at once: {ALLOW_MORE}"
    if allowed < LEAST_OPEN_FILES:
        raise RuntimeProblem(words)
    if allowed < FEW_OPEN_FILES:
        logger.warning(words)
    return allowed


class FileRoom:
    """Says which connections are too many, and tells in two lines that and for how long.

    A new file gets the lowest number that is free. So one with a high number says that all below
    are taken, whatever by, and nothing has to be counted.

    Args:
        allowed: how many files may be open at once.
        seconds: a clock that never jumps.
    """

    def __init__(self, allowed: int, seconds: Callable[[], float] = time.monotonic) -> None:
        self._allowed = allowed
        self._full_from = allowed - min(MOST_KEPT_BACK, allowed // KEPT_BACK_SHARE)
        self._seconds = seconds
        self._short_at: float | None = None
        """When shortage was seen last; None: there is none."""
        self._refused = 0
        """Since shortage began."""

    def takes(self, descriptor: int) -> bool:
        """Whether a connection that came in with this descriptor may stay."""
        if descriptor < self._full_from:
            return True
        self._note_shortage()
        self._refused += 1
        return False

    def look(self) -> None:
        """Find out whether there is shortage, or still is: not only connections take files."""
        if _next_descriptor() >= self._full_from:
            self._note_shortage()
        elif self._short_at is not None and self._seconds() - self._short_at >= CALM_SECONDS:
            logger.warning(
                "there is room for connections again; %d were refused meanwhile", self._refused
            )
            self._short_at, self._refused = None, 0

    def _note_shortage(self) -> None:
        if self._short_at is None:
            logger.error(
                "nearly all of the %d files that may be open at once are: new connections are "
                "refused until some are closed, those that are there are served; see with "
                "`ss -tnp` who has so many, or %s",
                self._allowed,
                ALLOW_MORE,
            )
        self._short_at = self._seconds()


def _next_descriptor() -> int:
    """The lowest that is free; very high where none is."""
    try:
        descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return WANTED_OPEN_FILES if error.errno in (errno.EMFILE, errno.ENFILE) else 0
    os.close(descriptor)
    return descriptor

"""Room for many connections: each runner keeps one or two open."""

from __future__ import annotations

import logging
import resource

WANTED_OPEN_FILES = 65_536

logger = logging.getLogger(__name__)


def raise_open_files_limit() -> None:
    """Use what the system allows this process; the usual default of 1,024 is soon used up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_OPEN_FILES if hard == resource.RLIM_INFINITY else min(WANTED_OPEN_FILES, hard)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        logger.warning("at most %d connections and files can be open: %s", soft, error)

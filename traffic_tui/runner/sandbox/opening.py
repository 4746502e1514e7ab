"""A sandbox for as long as an agent serves, and what is said of it at the start."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from traffic_tui.runner.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from traffic_tui.runner.processes import ProcessGroups
    from traffic_tui.runner.sandbox.sandbox import SandboxOptions

log = logging.getLogger(__name__)


@contextlib.contextmanager
def opened(options: SandboxOptions, folder: Path, groups: ProcessGroups) -> Iterator[Sandbox]:
    """Open it, have the guard look after it, and close it in the end.

    Raises:
        RunnerError: isolation is required, and not permitted here.
    """
    sandbox = Sandbox(options, folder)
    sandbox.open()
    try:
        groups.watch_control_groups(sandbox.group_paths)
        yield sandbox
    finally:
        sandbox.close()


def say(sandbox: Sandbox, job_type: str) -> None:
    """Say in the log what programs can count on here, and why not on more."""
    level = logging.INFO if sandbox.is_roomy else logging.WARNING
    log.log(level, "jobs of type %s run %s", job_type, sandbox.words_for(job_type))
    for problem in sandbox.problems():
        log.info("not permitted here: %s", problem)

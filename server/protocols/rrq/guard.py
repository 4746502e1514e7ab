"""Keeps runners from outliving a coordinator that was killed.

A tiny process reads a pipe that ends with us, and then kills the groups it was told of. A signal
at the parent's death would reach only the runner itself, none of its children. Should the guard be
killed as well, the next start ends what is left (:mod:`server.protocols.rrq.leftovers`).
"""

from __future__ import annotations

from pathlib import Path

from server.guard_pipe import GuardPipe

SCRIPT = Path(__file__).with_name("guard_process.py")
STOP_SECONDS = 0.5


class Guard(GuardPipe):
    """The coordinator's end of the pipe."""

    def __init__(self) -> None:
        super().__init__(SCRIPT, stop_seconds=STOP_SECONDS)

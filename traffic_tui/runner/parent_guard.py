"""Ends a runner whose parent died, so that no orphan holds the port that the next one needs.

Only for runners that somebody manages: see :func:`is_managed`.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from server.wire.rrq import ENV_RUNNER_TCP_SOCKET
from traffic_tui.runner.own_process import end_now
from traffic_tui.runner.tcp_socket import OPTION

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

OUTLIVE_VARIABLE = "TRAFFIC_TUI_OUTLIVE_PARENT"
"""Set to anything: run on when whoever started this runner is gone."""
POLL_SECONDS = 0.25
NO_PARENT = 1
"""The system's first process takes in orphans, and starts services: its end is everybody's."""
PR_SET_PDEATHSIG = 1
SHELLS = frozenset("sh ash bash busybox csh dash fish ksh mksh tcsh zsh".split())


def is_managed(arguments: Sequence[str]) -> bool:
    """Whether the parent is an orchestrator that this runner must not outlive.

    It is if it said where to listen, as orchestrators do, and is no shell: what a person or a
    script starts, perhaps in the background, may go on after the shell.
    """
    told = ENV_RUNNER_TCP_SOCKET in os.environ or any(
        argument == OPTION or argument.startswith(f"{OPTION}=") for argument in arguments
    )
    return told and not os.environ.get(OUTLIVE_VARIABLE) and not is_from_shell()


def is_from_shell() -> bool:
    """Whether the parent is a shell, by its name or because it leads our terminal's session."""
    try:
        name = Path(f"/proc/{os.getppid()}/comm").read_text("utf-8", "replace").strip()
    except OSError:  # there is no such list here
        name = ""
    return name in SHELLS or _is_from_terminal()


def _is_from_terminal() -> bool:
    if os.getsid(0) != os.getppid():
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def parent_is_gone() -> None:
    """End at once: there is nobody left to answer to."""
    log.error(
        "whoever started this runner is gone, so it ends; %s=1 in its environment lets it run on",
        OUTLIVE_VARIABLE,
    )
    end_now(1)


class ParentGuard:
    """Watches the parent from a thread, which even a handler that blocks the loop leaves running.

    On Linux the kernel watches too, where it can be told which *process* to watch: it watches the
    parent's thread, so only children of a main thread are safe from being killed too early.
    """

    def __init__(
        self,
        on_gone: Callable[[], None] = parent_is_gone,
        *,
        poll_seconds: float = POLL_SECONDS,
        parent: Callable[[], int] = os.getppid,
    ) -> None:
        self._on_gone = on_gone
        self._poll_seconds = poll_seconds
        self._parent = parent
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to watch. A runner whose parent is the first process has nobody to watch."""
        first = self._parent()
        if first <= NO_PARENT:
            return
        if is_child_of_main_thread(first):
            set_death_signal(signal.SIGKILL)
        self._thread = threading.Thread(
            target=self._watch, args=(first,), name="parent guard", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            set_death_signal(None)

    def _watch(self, first: int) -> None:
        while not self._stopping.wait(self._poll_seconds):
            if self._parent() != first:
                self._on_gone()
                return


def is_child_of_main_thread(parent: int) -> bool:
    """Whether the parent's main thread started us, not another one, which may end earlier."""
    children = Path(f"/proc/{parent}/task/{parent}/children")
    try:
        return str(os.getpid()) in children.read_text("ascii").split()
    except (OSError, ValueError):
        return False


def set_death_signal(number: signal.Signals | None) -> None:
    """Have the kernel send that signal when the parent dies; only Linux can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number or 0), 0, 0, 0)

"""What becomes of a console's own coordinator when the console is left."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import typer

from traffic_tui.cli.failures import CommandFailed
from traffic_tui.hang_up import let_go_of_terminal

if TYPE_CHECKING:
    from traffic_tui.cli.settings import Start

ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class OwnCoordinator:
    """The coordinator of this process, seen from the outside."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._is_over = threading.Event()
        self._crash: BaseException | None = None
        self.kept: subprocess.Popen[str] | None = None
        """What goes on in the background after :meth:`hand_over`."""

    def crashed(self, error: BaseException) -> None:
        """Called from its thread when it ended by itself."""
        self._crash = error
        self._is_over.set()

    def tell_crash(self) -> None:
        """Now that the screen is free again: why it ended, if nobody asked it to."""
        if self._crash is not None:
            raise CommandFailed(
                f"the coordinator ended by itself: {self._crash}; "
                f"coordinator.log in {self._start.folder} says more"
            )

    def stay_without_terminal(self) -> None:
        """Serve on after the terminal went away, until told to end."""
        let_go_of_terminal()
        for number in ENDING_SIGNALS:
            signal.signal(number, lambda *_: self._is_over.set())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._is_over.wait()

    def hand_over(self, url: str) -> None:
        """Go on as a ``serve`` of its own in the background, at the same address.

        Jobs run on meanwhile: runners come back to it as after any restart.
        """
        self.kept = process = subprocess.Popen(  # noqa: S603 (our own program)
            [sys.executable, "-m", "traffic_tui", *self._serve_arguments(url)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
        )
        assert process.stdout is not None
        with process.stdout:
            line = process.stdout.readline().strip()
            if not line.startswith("ready"):
                raise CommandFailed(
                    "the coordinator could not be kept running; 'traffic-tui serve' says why"
                )
        typer.echo(f"the coordinator goes on at {url} as process {process.pid}")
        typer.echo(f"open it again with 'traffic-tui', end it with 'kill {process.pid}'")

    def _serve_arguments(self, url: str) -> list[str]:
        server = self._start.settings.server
        arguments = ["serve", "--data-dir", str(self._start.folder), "--host", server.host]
        if port := urlsplit(url).port:
            arguments += ["--port", str(port)]
        if self._start.configuration is not None:
            arguments += ["--config", str(self._start.configuration)]
        return arguments

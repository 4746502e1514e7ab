"""The entry point of the installed program: what ctrl+c means while all else is imported."""

from __future__ import annotations

import sys

from traffic_tui.cli.failures import EXIT_INTERRUPTED


def main() -> None:
    try:
        from traffic_tui.cli.main import main as run_program
    except KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    run_program()

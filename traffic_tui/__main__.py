"""``python -m traffic_tui`` is the same as the installed program."""

from __future__ import annotations

from traffic_tui.cli.entry import main

if __name__ == "__main__":
    main()

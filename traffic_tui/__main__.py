"""``python -m traffic_tui``: the program without its installed script."""

from __future__ import annotations

from traffic_tui.cli.main import main

if __name__ == "__main__":
    main()

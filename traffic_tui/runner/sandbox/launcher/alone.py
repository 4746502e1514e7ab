"""What the agent starts: ``python -I -S alone.py STATUS_FD PLAN_FD``.

The packages around us import much that a launcher has no use for. So they are stood in for by
empty ones with the same folders, and only the launcher's own modules are loaded.
"""

from __future__ import annotations

import os
import sys

PACKAGES = (
    "traffic_tui",
    "traffic_tui.runner",
    "traffic_tui.runner.sandbox",
    "traffic_tui.runner.sandbox.launcher",
)


def stand_in(folder: str) -> None:
    """Let modules be found in ``folder``, the launcher's, without what stands around them."""
    for name in reversed(PACKAGES):
        package = type(sys)(name)
        package.__path__ = [folder]
        sys.modules[name] = package
        folder = os.path.dirname(folder)  # noqa: PTH120  (pathlib takes long to import)


if __name__ == "__main__":
    stand_in(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    from traffic_tui.runner.sandbox.launcher.start import main

    main()

"""What a runner arranges for in its own process: a loop, a log, an end that always comes."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def log_for_people() -> None:
    """Log lines on standard error, unless the program around us has arranged for its own."""
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(message)s", "%H:%M:%S"))
    ours = logging.getLogger("traffic_tui.runner")
    if not ours.handlers:
        ours.addHandler(handler)
        ours.setLevel(logging.INFO)
        ours.propagate = False


def end_now(code: int) -> NoReturn:
    """End, whatever still runs: a handler that cannot be ended keeps a loop from closing."""
    logging.shutdown()
    os._exit(code)

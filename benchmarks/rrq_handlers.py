"""No-op handlers for RRQ runners: for the package's own, and, run as a script, for ours.

rrq-runner --settings benchmarks.rrq_handlers.settings --tcp-socket HOST:PORT
python -m benchmarks.rrq_handlers --tcp-socket HOST:PORT
"""

from __future__ import annotations

import time
from typing import Any

from rrq.registry import Registry as TheirRegistry
from rrq.runner_settings import PythonRunnerSettings


async def noop(request: Any) -> None:
    return None


async def clock(request: Any) -> int:
    """When it was reached, in nanoseconds since the epoch."""
    return time.time_ns()


HANDLERS = {"noop": noop, "clock": clock}
_theirs = TheirRegistry()
for _name, _handler in HANDLERS.items():
    _theirs.register(_name, _handler)
settings = PythonRunnerSettings(registry=_theirs)


def main() -> None:
    from traffic_tui.runner import Registry, run_tcp

    ours = Registry()
    for name, handler in HANDLERS.items():
        ours.register(name, handler)
    run_tcp(ours)


if __name__ == "__main__":
    main()

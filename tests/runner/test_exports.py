"""The library's face: its names, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import traffic_tui.runner

NAMES = [
    "ENV_RUNNER_TCP_SOCKET",
    "ExecutionOutcome",
    "ExecutionRequest",
    "JobError",
    "JobErrorKind",
    "Registry",
    "RunnerRuntime",
    "Supervisor",
    "SupervisorConnector",
    "parse_tcp_socket",
    "run",
    "run_tcp",
]


def test_the_export_list() -> None:
    assert sorted(traffic_tui.runner.__all__) == NAMES
    assert all(hasattr(traffic_tui.runner, name) for name in NAMES)


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = ("textual", "uvicorn", "starlette", "httpx", "server.coordinator", "server.store")
    code = f"import sys, traffic_tui.runner; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_there_are_the_ten_kinds_of_errors() -> None:
    from traffic_tui.runner.errors import JOB_ERROR_KINDS

    assert len(set(JOB_ERROR_KINDS)) == 10

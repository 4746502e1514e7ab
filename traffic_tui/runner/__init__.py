"""The library for building runners: a registry of handlers, and what serves coordinators with it.

from traffic_tui.runner import ExecutionRequest, Registry, run

registry = Registry()

@registry.handler("greet")
async def greet(request: ExecutionRequest) -> dict[str, str]:
    request.print("hello")
    return {"message": "hi"}

run(registry, url="http://127.0.0.1:8700", key="...")     # a traffic-tui coordinator
run_tcp(registry, parse_tcp_socket("127.0.0.1:9000"))     # RRQ's orchestrators
"""

from __future__ import annotations

from server.wire.rrq import ENV_RUNNER_TCP_SOCKET
from traffic_tui.runner.agent import run
from traffic_tui.runner.errors import JobError, JobErrorKind
from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.registry import Registry
from traffic_tui.runner.request import ExecutionRequest
from traffic_tui.runner.runtime import RunnerRuntime, run_tcp
from traffic_tui.runner.seam import SupervisorConnector
from traffic_tui.runner.supervisor import Supervisor
from traffic_tui.runner.tcp_socket import parse_tcp_socket

__all__ = [
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

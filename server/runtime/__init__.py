"""A coordinator that runs: alone in a process, or in a thread beside a console."""

from __future__ import annotations

from server.runtime.coordinator_server import CoordinatorServer
from server.runtime.problems import CoordinatorGone, RuntimeProblem
from server.runtime.service import Service, serve
from server.runtime.thread import CoordinatorThread

__all__ = [
    "CoordinatorGone",
    "CoordinatorServer",
    "CoordinatorThread",
    "RuntimeProblem",
    "Service",
    "serve",
]

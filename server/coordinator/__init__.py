"""The use cases, and the only writer: nothing but the coordinator changes jobs."""

from __future__ import annotations

from server.coordinator.facade import Coordinator
from server.coordinator.results import (
    Acted,
    Assigned,
    AttemptReport,
    AvailableJob,
    Explanation,
    Introduction,
    JobSnapshot,
    LeaseView,
    OutputPiece,
    Said,
    StopOrder,
    Submitted,
    Told,
)

__all__ = [
    "Acted",
    "Assigned",
    "AttemptReport",
    "AvailableJob",
    "Coordinator",
    "Explanation",
    "Introduction",
    "JobSnapshot",
    "LeaseView",
    "OutputPiece",
    "Said",
    "StopOrder",
    "Submitted",
    "Told",
]

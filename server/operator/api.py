"""The operator API as one object; each method is one call, given who asks."""

from __future__ import annotations

from server.operator.happenings import HappeningCalls
from server.operator.jobs import JobCalls
from server.operator.keys import KeyCalls
from server.operator.outputs import OutputCalls
from server.operator.runners import QueueCalls, RunnerCalls
from server.operator.schedules import ScheduleCalls


class OperatorApi(
    JobCalls, OutputCalls, RunnerCalls, QueueCalls, ScheduleCalls, HappeningCalls, KeyCalls
):
    """All calls. Roles are checked by whoever lets callers in (:mod:`server.roles`).

    What a role may see of others' jobs is checked here, as it depends on the job.
    """

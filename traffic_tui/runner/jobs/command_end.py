"""How a command ended, in words: by itself, by a signal, by one of its limits."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.sandbox.limits import limit_words

if TYPE_CHECKING:
    from server.settings import LimitSettings
    from traffic_tui.runner.processes import Account
    from traffic_tui.runner.request import ExecutionRequest

MEMORY_LIMIT, PIDS_LIMIT, WALL_LIMIT = "memory_limit", "pids_limit", "wall_limit"
SHORTAGE = "shortage"
"""Types of errors."""


def not_started(
    request: ExecutionRequest, why: str, *, is_shortage: bool = False
) -> ExecutionOutcome:
    """``is_shortage``: it is this box that has no room for it, so another try may do."""
    words = f"the program could not be started: {why}"
    kind = SHORTAGE if is_shortage else "invalid"
    return ExecutionOutcome.failure(request.job_id, request.request_id, words, kind)


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that was started and is no more."""

    account: Account
    limits: LimitSettings
    was_signalled: bool
    """By us, since the job was to stop."""
    is_over_time: bool

    def outcome(self, request: ExecutionRequest) -> ExecutionOutcome:
        if self.account.problem is not None:
            return not_started(request, self.account.problem)
        code = self.account.code
        exit_code, killed_by = (code, None) if code >= 0 else (None, -code)
        outcome = self._judged(request, code)
        return replace(outcome, exit_code=exit_code, signal=killed_by, usage=self.account.usage)

    def _judged(self, request: ExecutionRequest, code: int) -> ExecutionOutcome:
        job_id, request_id = request.job_id, request.request_id
        if self.was_signalled:
            return ExecutionOutcome.cancelled(job_id, request_id)
        if self.is_over_time:
            words = f"ended by its limit: {limit_words('wall', self.limits)}"
            timeout = ExecutionOutcome.timeout(job_id, request_id, words)
            assert timeout.error is not None
            return replace(timeout, error=replace(timeout.error, type=WALL_LIMIT))
        if code == 0:
            return ExecutionOutcome.success(job_id, request_id, {"exit_code": 0})
        words, kind = self._failure(code)
        return ExecutionOutcome.failure(job_id, request_id, words, kind)

    def _failure(self, code: int) -> tuple[str, str]:
        if code < 0:
            words, kind = f"killed by signal {-code} ({_signal_name(-code)})", "signal"
        else:
            words, kind = f"exit status {code}", "exit_status"
        if self.account.memory_kills and self.limits.memory is not None:
            return f"killed by its limit: {limit_words('memory', self.limits)}", MEMORY_LIMIT
        if self.account.refused_processes and self.limits.pids is not None:
            limit = limit_words("pids", self.limits)
            return f"{words}, after it was refused processes by its limit: {limit}", PIDS_LIMIT
        return words, kind


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"

"""The seam between what runs jobs (the supervisor) and whoever hands them out (a connector)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from traffic_tui.runner.request import ExecutionContext

if TYPE_CHECKING:
    from server.model import Progress, Stream
    from traffic_tui.runner.errors import JobError
    from traffic_tui.runner.outcome import ExecutionOutcome
    from traffic_tui.runner.supervisor import Supervisor

RunState: TypeAlias = Literal["initializing", "ready", "terminating", "terminated"]


@dataclass(frozen=True, slots=True)
class StartOrder:
    """A job to be started, whoever asks for it."""

    request_id: str
    """Names the execution: an attempt, or a request."""
    job_id: str
    function_name: str
    params: Any
    timeout_seconds: float | None = None
    context: ExecutionContext = ExecutionContext()
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    execution_id: str = ""
    """Names the execution where request ids may repeat; empty: the request id does."""

    @property
    def key(self) -> str:
        """What the supervisor and the connector call this execution."""
        return self.execution_id or self.request_id


class JobUpdate(NamedTuple):
    """Where a job stands."""

    state: RunState
    stage: str = ""
    """Of an initializing job: starting, fetching_image, allocating, provisioning or booting."""
    progress: Progress | None = None
    outcome: ExecutionOutcome | None = None
    """Of a terminated job."""
    result: bytes = b""
    """The outcome's result as JSON; empty: there is none."""
    is_stuck: bool = False
    """The outcome is decided, but the handler does not end and keeps its slot."""
    isolation: str = ""
    """What is around the job's process, for people; empty: nothing new to say."""


class SupervisorConnector(Protocol):
    """Stands between a supervisor and one kind of coordinator.

    Its calls other than ``run`` and ``console_room`` only take note; they never wait, so that a
    coordinator that is away holds up nothing but output.
    """

    @property
    def max_result_bytes(self) -> int:
        """Largest result this coordinator takes, as JSON."""
        ...

    @property
    def is_told(self) -> bool:
        """The coordinator has heard everything there was to tell."""
        ...

    async def run(self, supervisor: Supervisor) -> None:
        """Serve the coordinator until drained or stopped. Raises RunnerError when it refuses."""
        ...

    def drain(self) -> None:
        """Take nothing new, finish and report what runs; ``run`` returns after that."""
        ...

    def stop(self, within_seconds: float) -> None:
        """Like drain, but give up reporting after that time."""
        ...

    def update_job_state(self, request_id: str, update: JobUpdate) -> None:
        """A job came into a state, made progress, or ended."""
        ...

    def report_job_error(self, request_id: str, error: JobError) -> None:
        """An order could not be carried out."""
        ...

    def send_console_bytes(self, request_id: str, stream: Stream, data: bytes) -> int:
        """Keep console bytes for sending; the answer is how many there was room for."""
        ...

    async def console_room(self, request_id: str) -> None:
        """Return once more console bytes of this job would be kept."""
        ...

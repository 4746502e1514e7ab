"""What a handler is given: what to do, in which circumstances, and how to be heard meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from server.model import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from server.model import Stream


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """The circumstances of one execution."""

    attempt: int = 1
    queue_name: str = "default"
    enqueue_time: datetime | None = None
    deadline: datetime | None = None
    trace_context: Mapping[str, str] | None = None
    correlation_context: Mapping[str, str] | None = None
    worker_id: str | None = None


@dataclass(slots=True)
class StopSignal:
    """How the execution is being stopped; handlers that own processes look at it."""

    is_asked: bool = False
    is_kill: bool = False
    """True: at once, without a chance to tidy up."""
    grace_seconds: float = 0.0


class Voice(Protocol):
    """Where a handler's words go."""

    def say(self, stream: Stream, data: bytes) -> None:
        """Take the bytes, or count them as dropped where there is no room."""
        ...

    async def write(self, stream: Stream, data: bytes) -> None:
        """Take all the bytes, waiting for room."""
        ...

    def progress(self, progress: Progress) -> None: ...

    def isolated(self, words: str) -> None: ...


class Silence:
    """A voice that nobody hears, for requests made by hand."""

    def say(self, stream: Stream, data: bytes) -> None:
        """Nobody listens."""

    async def write(self, stream: Stream, data: bytes) -> None:
        """Nobody listens."""

    def progress(self, progress: Progress) -> None:
        """Nobody listens."""

    def isolated(self, words: str) -> None:
        """Nobody listens."""


SILENCE = Silence()
MAX_PROGRESS_TEXT = 500


@dataclass(slots=True)
class ExecutionRequest:
    """One execution of a job, as its handler sees it."""

    job_id: str
    request_id: str
    """Names this execution; another attempt at the same job has another one."""
    function_name: str
    params: Any = field(default_factory=dict)
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    context: ExecutionContext = ExecutionContext()
    stopping: StopSignal = field(default_factory=StopSignal)
    voice: Voice = field(default=SILENCE, repr=False)

    def print(self, *values: object, sep: str = " ", end: str = "\n") -> None:
        """Print to the job's console. Never waits: what finds no room is counted, and told."""
        text = sep.join(map(str, values)) + end
        self.voice.say("console", text.encode("utf-8", "replace"))

    async def write(self, data: bytes, stream: Stream = "stdout") -> None:
        """Print bytes; waits while there is no room, so that none is lost."""
        await self.voice.write(stream, data)

    def progress(self, current: float | None, total: float | None = None, text: str = "") -> None:
        """Say how far it is; only the newest word counts."""
        self.voice.progress(Progress(current, total, text[:MAX_PROGRESS_TEXT]))

    def isolated(self, words: str) -> None:
        """Say what is around the process that does the work, or that nothing is."""
        if words:
            self.voice.isolated(words)

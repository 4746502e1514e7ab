"""native-v2: our own runner protocol. Strict in what it reads, small in what it sends."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from server.wire.operator import Name, Seconds, SubmitRequest

Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Text = Annotated[str, Meta(max_length=10_000)]
ExitCode = Annotated[int, Meta(ge=-(2**31), le=2**32 - 1)]
Signal = Annotated[int, Meta(ge=0, le=1_000)]


Bytes = Annotated[int, Meta(ge=0, le=2**62)]


class Message(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Base of what a runner sends."""


class Hello(Message):
    """A runner introduces itself: at boot with a fresh nonce, later with the same."""

    name: Name
    nonce: Name
    capacity: Annotated[int, Meta(ge=0, le=100_000)]
    types: list[Name]
    labels: dict[Name, Annotated[str, Meta(max_length=200)]] = field(default_factory=dict)
    version: Annotated[str, Meta(max_length=200)] = ""


class Pace(Struct):
    """How fast the coordinator wants to hear from a runner."""

    lease_seconds: float
    heartbeat_seconds: float
    flush_seconds: float
    max_chunk_bytes: int
    max_output_bytes: int


class Welcome(Struct):
    runner_id: str
    session: str
    secret: str
    pace: Pace
    accepts: list[str] = field(default_factory=list)
    """What may be in messages beside what every coordinator reads."""


class ProgressReport(Message):
    current: float | None = None
    total: float | None = None
    text: Annotated[str, Meta(max_length=500)] = ""


class ErrorReport(Message):
    message: Text
    type: Annotated[str, Meta(max_length=200)] = ""
    details: msgspec.Raw = msgspec.Raw(b"")


ReportState = Literal["running", "success", "error", "timeout", "cancelled", "refused", "retry"]


class UsageReport(Message):
    """What an attempt used of its box, as far as the runner knows."""

    cpu_seconds: Annotated[float, Meta(ge=0)] | None = None
    peak_memory_bytes: Bytes | None = None
    io_bytes: Bytes | None = None


class Report(Message):
    """What a runner says of one attempt. Any state but ``running`` is final."""

    attempt: str
    state: ReportState
    progress: ProgressReport | None = None
    result: msgspec.Raw = msgspec.Raw(b"")
    error: ErrorReport | None = None
    exit_code: ExitCode | None = None
    signal: Signal | None = None
    retry_after: Seconds | None = None
    isolation: Annotated[str, Meta(max_length=1_000)] = ""
    """What is around the attempt's process; only where the welcome accepts it."""
    usage: UsageReport | None = None
    """Likewise."""


class OutputChunk(Message):
    attempt: str
    stream: Literal["stdout", "stderr", "console"]
    offset: Annotated[int, Meta(ge=0, le=2**62)]
    data: bytes
    """Base64 on the wire."""


class Sync(Message):
    """Everything a runner has to say."""

    session: str
    secret: str
    sequence: Annotated[int, Meta(ge=0, le=2**62)]
    held: list[str] = field(default_factory=list)
    free: Count = 0
    reports: list[Report] = field(default_factory=list)
    output: list[OutputChunk] = field(default_factory=list)
    leaving: bool = False
    """The runner ends, all it had is told, and it says no more; only where the welcome accepts
    it."""


class Assignment(Struct):
    job: str
    attempt: str
    number: int
    """The attempt's number."""
    type: str
    params: msgspec.Raw
    timeout_seconds: float | None = None
    trace_context: dict[str, str] | None = None
    queue: str = "default"
    enqueued_at: int = 0
    correlation: dict[str, str] | None = None


class StopOrder(Struct):
    attempt: str
    grace_seconds: float
    kill: bool


class NextOffset(Struct):
    attempt: str
    stream: str
    next_offset: int


class Refusal(Struct):
    attempt: str
    reason: str


class SyncAnswer(Struct):
    """Everything a runner needs to know."""

    assign: list[Assignment]
    stop: list[StopOrder]
    output: list[NextOffset]
    refused: list[Refusal]
    pace: Pace


class SubmitBatch(Message):
    jobs: list[SubmitRequest]

"""Treadmill's messages between switchboard and supervisor, for both sides: profiles S, S', S''.

Written here exactly as its own programs write them; read with room for what others leave out or
add. Every message is one text frame holding ``{"type": ..., "message": ...}``.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBPROTOCOL: Final = "treadmillv1"
CONFIG_HEADER: Final = "tml-socket-config"
MINOR_HEADER: Final = "tml-protocol-minor"
TOKEN_BYTES: Final = 128
MAX_MESSAGE: Final = 64 * 1024 * 1024
PIECE: Final = 64 * 1024
"""Characters of a console message that are turned into bytes at once."""

Stage: TypeAlias = Literal["starting", "fetching_image", "allocating", "provisioning", "booting"]
STAGES: tuple[Stage, ...] = (
    "starting",
    "fetching_image",
    "allocating",
    "provisioning",
    "booting",
)
ERROR_KINDS: tuple[str, ...] = (
    "AlreadyRunning",
    "AlreadyStopping",
    "JobAlreadyExists",
    "CannotResume",
    "JobNotFound",
    "MaxConcurrentJobs",
    "ImageNotFound",
    "ImageInvalid",
    "ImageNotCompatible",
    "InternalError",
)
StateName: TypeAlias = Literal["initializing", "ready", "terminating", "terminated"]
UserExitStatus: TypeAlias = Literal["success", "error", "unknown"]
Name = Annotated[str, Meta(max_length=200)]


_M = TypeVar("_M")


class Undecodable(ValueError):
    """A message that makes no sense; its words name the place, and never repeat the message."""


class Body(Struct, tag_field="type"):
    """Base of everything that is told apart by its ``type``."""


# what is in the messages ------------------------------------------------------------------------


class ImageSpec(Body, tag="image"):
    """Start from an image, named by the SHA-256 of its manifest."""

    image_id: str


class ResumeSpec(Body, tag="resume_job"):
    """Go on with what another job left on this supervisor."""

    job_id: str


class RestartPolicy(Struct):
    remaining_restart_count: Annotated[int, Meta(ge=0)] = 0


class ParameterValue(Struct):
    """A parameter of a job; secret ones are masked wherever people look."""

    value: str
    secret: bool


class StartJob(Struct):
    job_id: str
    image_spec: ImageSpec | ResumeSpec
    ssh_keys: list[str] = field(default_factory=list)
    restart_policy: RestartPolicy = field(default_factory=RestartPolicy)
    parameters: dict[str, ParameterValue] = field(default_factory=dict)


class StopJob(Struct):
    job_id: str


class StatusQuestion(Struct):
    """Asks what a supervisor is at; the inner ``message`` has to be there, and null."""

    request_id: str
    message: None = None


class JobState(Struct, omit_defaults=True):
    """Where a job is; ``stage`` says more while it is initializing."""

    state: StateName
    stage: Name | None = None


class Idle(Body, tag="idle"):
    """No job."""


class Ongoing(Body, tag="ongoing_job"):
    job_id: Name
    job_state: JobState


class StatusAnswer(Struct):
    response_to_request_id: Name
    message: Idle | Ongoing


class StateTransition(Body, tag="state_transition"):
    new_state: JobState
    status_message: str | None = None


class DeclareExitStatus(Body, tag="declare_exit_status"):
    user_exit_status: UserExitStatus
    host_output: str | None = None


class ReportedError(Struct):
    """What a supervisor could not do. Kinds it may learn later count as ``InternalError``."""

    error_kind: Name
    description: str = ""

    @property
    def kind(self) -> str:
        return self.error_kind if self.error_kind in ERROR_KINDS else "InternalError"


class JobError(Body, tag="error"):
    error: ReportedError


class ConsoleLog(Body, tag="console_log", omit_defaults=True):
    """Console output as a JSON array of the values of its bytes, see :func:`console_pieces`."""

    console_bytes: Raw
    console_offset: Annotated[int, Meta(ge=0)] | None = None
    """How much the job had printed before that. A field of ours, which others leave out and pass
    over: with it, what was on its way as a switchboard died can be told again, and counts once."""


JobHappening: TypeAlias = StateTransition | DeclareExitStatus | JobError | ConsoleLog


class JobEvent(Body, tag="job_event"):
    job_id: Name
    event: JobHappening


class Violation(Struct):
    code: Name = "protocol_violation"
    detail: str = ""


# the messages themselves ------------------------------------------------------------------------


class StartJobMessage(Body, tag="start_job"):
    message: StartJob


class StopJobMessage(Body, tag="stop_job"):
    message: StopJob


class StatusRequest(Body, tag="status_request"):
    message: StatusQuestion


class StatusResponse(Body, tag="status_response"):
    message: StatusAnswer


class SupervisorEvent(Body, tag="supervisor_event"):
    message: JobEvent


class ProtocolError(Body, tag="protocol_error"):
    """Says why a connection is about to end (S'' and later); never asks for anything."""

    message: Violation


ToSupervisor: TypeAlias = StartJobMessage | StopJobMessage | StatusRequest | ProtocolError
ToSwitchboard: TypeAlias = StatusResponse | SupervisorEvent | ProtocolError

_encoder = msgspec.json.Encoder()
_bytes = msgspec.json.Decoder(list[Annotated[int, Meta(ge=0, le=255)]])
_to_supervisor: msgspec.json.Decoder[ToSupervisor] = msgspec.json.Decoder(ToSupervisor)
_to_switchboard: msgspec.json.Decoder[ToSwitchboard] = msgspec.json.Decoder(ToSwitchboard)


def encode(message: ToSupervisor | ToSwitchboard) -> str:
    """A message as the text of its frame."""
    return _encoder.encode(message).decode("utf-8")


def read_by_supervisor(text: str) -> ToSupervisor:
    """What a switchboard said.

    Raises:
        Undecodable: it makes no sense.
    """
    message = _decoded(_to_supervisor, text)
    if isinstance(message, StartJobMessage | StopJobMessage):
        message.message.job_id = canonical_id(message.message.job_id)
    return message


def read_by_switchboard(text: str) -> ToSwitchboard:
    """What a supervisor said, with ids in the form we write them.

    Raises:
        Undecodable: it makes no sense.
    """
    message = _decoded(_to_switchboard, text)
    if isinstance(message, SupervisorEvent):
        message.message.job_id = canonical_id(message.message.job_id)
    elif isinstance(message, StatusResponse) and isinstance(message.message.message, Ongoing):
        ongoing = message.message.message
        ongoing.job_id = canonical_id(ongoing.job_id)
    return message


def canonical_id(text: str) -> str:
    """A UUID in lower case with hyphens; braces, ``urn:uuid:`` and bare digits are read too."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Undecodable("an id that is no UUID") from None


def console_log(data: bytes, offset: int | None = None) -> ConsoleLog:
    """Console output as a message carries it."""
    return ConsoleLog(Raw(_encoder.encode(list(data))), offset)


def console_pieces(log: ConsoleLog) -> Iterator[bytes]:
    """The bytes of a console message, in pieces, so that a huge one never stands there whole.

    Raises:
        Undecodable: at the first piece that holds anything but bytes.
    """
    array = bytes(log.console_bytes).strip()
    if array[:1] != b"[":
        raise Undecodable("console_bytes is no array")
    start, end = 1, len(array) - 1
    while start < end:
        cut = array.find(b",", min(start + PIECE, end), end)
        cut = end if cut < 0 else cut
        try:
            yield bytes(_bytes.decode(b"[" + array[start:cut] + b"]"))
        except (msgspec.DecodeError, RecursionError):
            raise Undecodable("console_bytes holds what is no byte") from None
        start = cut + 1


def _decoded(decoder: msgspec.json.Decoder[_M], text: str) -> _M:
    try:
        return decoder.decode(text)
    except msgspec.DecodeError as error:  # ValidationError is one of these
        raise Undecodable(_place_only(str(error))) from None
    except RecursionError:
        raise Undecodable("nested too deeply") from None
    except UnicodeError:
        raise Undecodable("half a surrogate pair") from None


def _place_only(words: str) -> str:
    """An error's words without what was sent: that may hold a secret, or a megabyte."""
    what, at, place = words.partition(" - at ")
    return f"{what.partition(chr(39))[0].strip()[:120]}{at}{place[:120]}"

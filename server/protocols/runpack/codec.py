"""Bodies of requests to what the coordinator takes, by JavaScript's rules of what is there.

What the original stumbles over and answers with its own failure is a plain InvalidInput here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from server.errors import InvalidInput
from server.model import MAX_NAME, JobSpec, Outcome, Progress, RetryPolicy
from server.protocols.runpack import canonical
from server.protocols.runpack.answers import rejected
from server.submission import RUNPACK_KEYS
from server.traits import RUNPACK

if TYPE_CHECKING:
    from server.settings import RunpackSettings

MISSING = object()
MAX_CAPABILITIES = 1_000
ESCAPED = 6
"""Most bytes of JSON that one UTF-16 unit takes: ``\\u1234``."""
BODY_SLACK = 1024 * 1024
RETRY = RetryPolicy(max_losses=RUNPACK.max_losses or 0)


class Asked(NamedTuple):
    """A job as a client asks for it."""

    type: str
    params: bytes
    hash: str

    @property
    def cache_key(self) -> str:
        return RUNPACK_KEYS + self.hash

    def spec(self) -> JobSpec:
        """One try, and none more after a loss: that is what the original promises."""
        return JobSpec(
            type=self.type,
            params=self.params,
            max_attempts=1,
            retry=RETRY,
            cache_key=self.cache_key,
        )


class Beat(NamedTuple):
    progress: Progress
    console: bytes


class Ending(NamedTuple):
    outcome: Outcome
    console: bytes


class Registration(NamedTuple):
    name: str
    capabilities: tuple[str, ...]


class Poll(NamedTuple):
    """What a NotifyRelay subscriber asks for."""

    subscriber: str
    topics: frozenset[str]
    timeout_ms: float


def max_body(settings: RunpackSettings) -> int:
    """Bytes of the largest body that can be within the limits, whatever its escapes."""
    units = settings.max_result_bytes + settings.max_console_bytes + settings.max_input_bytes
    return ESCAPED * units + BODY_SLACK


def parse(body: bytes) -> Any:
    """A body as JSON; its stated type does not matter."""
    return canonical.parse(canonical.text_of(body))


def asked(body: bytes, settings: RunpackSettings) -> Asked:
    """The job of a submit or check."""
    parsed, plain = canonical.read(body)
    params = _member(parsed, "input_params")
    text = canonical.stringify(params, plain=plain)
    limit = settings.max_input_bytes
    if canonical.utf16_length(text) > limit:
        raise rejected(f"Input parameters exceed size limit of {limit} bytes")
    job_type = parsed.get("job_type")
    if not isinstance(job_type, str) or not job_type:
        raise rejected("Job type must be a non-empty string")
    if not isinstance(params, dict | list):
        raise rejected("Input parameters must be an object")
    _require_text(job_type, "job_type")
    return Asked(job_type, text.encode("utf-8"), canonical.job_hash(job_type, params, plain=plain))


def beat(body: bytes, settings: RunpackSettings) -> Beat:
    parsed = parse(body)
    console = _console(parsed, settings)
    current = _number(parsed, "progress_current")
    total = _number(parsed, "progress_total")
    return Beat(Progress(current, total), console)


def completion(body: bytes, settings: RunpackSettings) -> Ending:
    parsed, plain = canonical.read(body)
    text = canonical.stringify(_member(parsed, "output_data"), plain=plain)
    limit = settings.max_result_bytes
    if canonical.utf16_length(text) > limit:
        raise rejected(f"Output JSON exceeds size limit of {limit} bytes")
    console = _console(parsed, settings)
    return Ending(Outcome("success", result=text.encode("utf-8")), console)


def failure(body: bytes, settings: RunpackSettings) -> Ending:
    parsed = parse(body)
    message = _text(parsed, "error_message")
    limit = settings.max_error_bytes
    if canonical.utf16_length(message) > limit:
        raise rejected(f"Error message exceeds size limit of {limit} bytes")
    console = _console(parsed, settings)
    words = canonical.storable(message).decode("utf-8")
    return Ending(Outcome("error", message=words), console)


def registration(body: bytes) -> Registration:
    parsed = parse(body)
    if parsed is None:
        raise InvalidInput("the body is null, an object is expected")
    name = parsed.get("name") if isinstance(parsed, dict) else None
    capabilities = parsed.get("capabilities") if isinstance(parsed, dict) else None
    if not name or not isinstance(capabilities, list):
        raise rejected("Invalid registration data")
    if not isinstance(name, str):
        raise InvalidInput("name has to be a text")
    _require_text(name, "name")
    if len(capabilities) > MAX_CAPABILITIES:
        raise InvalidInput(f"more than {MAX_CAPABILITIES} capabilities")
    return Registration(name, tuple(_capability(item) for item in capabilities))


def job_ids(body: bytes) -> list[Any]:
    """Ids to delete; what is no id is simply one that is not found."""
    parsed = parse(body)
    if parsed is None:
        raise InvalidInput("the body is null, an object is expected")
    ids = parsed.get("job_ids") if isinstance(parsed, dict) else None
    if not isinstance(ids, list):
        raise rejected("Invalid request body. Expected { job_ids: string[] }")
    if not ids:
        raise rejected("No job IDs provided")
    return ids


def poll(body: bytes) -> Poll:
    parsed = parse(body)
    subscriber = _text(parsed, "subscriber_id")
    topics = _member(parsed, "topics")
    if not isinstance(topics, list) or not all(isinstance(topic, str) for topic in topics):
        raise InvalidInput("topics has to be a list of texts")
    _require_text(subscriber, "subscriber_id")
    timeout_ms = parsed.get("timeout")
    if timeout_ms is None:
        timeout_ms = math.inf
    if not isinstance(timeout_ms, float) or timeout_ms < 0:
        raise InvalidInput("timeout has to be a number of milliseconds")
    return Poll(subscriber, frozenset(topics), timeout_ms)


def _capability(item: Any) -> str:
    """Elements are unchecked: what is no text is kept as the JSON of it."""
    if not isinstance(item, str):
        item = canonical.stringify(item)
    _require_text(item, "a capability")
    return str(item)


def _require_text(text: str, what: str) -> None:
    """Names are stored and shown, so they have to be short and have a UTF-8."""
    if not 1 <= len(text) <= MAX_NAME:
        raise InvalidInput(f"{what} has to have 1 to {MAX_NAME} characters")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput(f"{what} holds half a surrogate pair") from None


def _member(parsed: Any, name: str) -> Any:
    value = parsed.get(name, MISSING) if isinstance(parsed, dict) else MISSING
    if value is MISSING:
        raise InvalidInput(f"{name} is missing")
    return value


def _text(parsed: Any, name: str) -> str:
    value = _member(parsed, name)
    if not isinstance(value, str):
        raise InvalidInput(f"{name} has to be a text")
    return value


def _console(parsed: Any, settings: RunpackSettings) -> bytes:
    console = _text(parsed, "console_output")
    limit = settings.max_console_bytes
    if canonical.utf16_length(console) > limit:
        raise rejected(f"Console output exceeds size limit of {limit} bytes")
    return canonical.storable(console)


def _number(parsed: Any, name: str) -> float | None:
    value = _member(parsed, name)
    if value is None:
        return None
    if not isinstance(value, float) or math.isinf(value):
        raise InvalidInput(f"{name} has to be a number or null")
    return value

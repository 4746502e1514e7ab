"""Bodies of this protocol: tolerant in what is read, exact in what is written.

Its README and its code differ on what is a number and what a string, so both are taken.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from server.errors import InvalidInput
from server.http.exchange import decode
from server.model import MAX_NAME, PLAIN_SUCCESS, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.coordinator.results import Assigned

MAX_CAPACITY = 100_000
"""More slots than this are as good as none left to count."""
MAX_MESSAGE = 2_000
CURSORS = ("cursor_from", "cursor_to")
NO_CURSORS = "a native-v1 runner is given whole numbers cursor_from and cursor_to, and nothing else"

_DIGITS = re.compile(r"[0-9]{1,20}")
_bodies = msgspec.json.Decoder(dict[str, Any])
_params = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.Encoder().encode


class Hello(NamedTuple):
    """A runner introduces itself."""

    nonce: str
    capacity: int | None
    """None: it states none."""
    port: int | None
    callback_url: str


class JobUpdate(NamedTuple):
    """What a runner says of a job. ``outcome`` None: it runs."""

    job_id: str
    outcome: Outcome | None


class Update(NamedTuple):
    """What a runner says after its hello: of a job, of its capacity, of both, or just that it
    is there."""

    nonce: str
    job: JobUpdate | None
    has_capacity: bool
    capacity: int | None


def hello(body: bytes) -> Hello:
    fields = decode(body, _bodies)
    return Hello(
        _name(fields, "nonce"),
        _capacity(fields.get("capacity")),
        _port(fields.get("port")),
        _callback_url(fields.get("callback_url")),
    )


def update(body: bytes) -> Update:
    """An update, whatever path it came by: what it is, its body says."""
    fields = decode(body, _bodies)
    is_of_job = fields.get("job_id") is not None or fields.get("status") is not None
    return Update(
        _name(fields, "nonce"),
        _job_update(fields) if is_of_job else None,
        "capacity" in fields,
        _capacity(fields.get("capacity")),
    )


def webhook_body(assigned: Assigned, values: Literal["strings", "numbers"]) -> bytes:
    """What a runner is given.

    Raises:
        InvalidInput: the job is none that can be said on this wire.
    """
    cursors = [_cursor(assigned.task.params, name) for name in CURSORS]
    written = cursors if values == "numbers" else [str(cursor) for cursor in cursors]
    return _encode({"job_id": assigned.attempt.uuid, **dict(zip(CURSORS, written, strict=True))})


def _cursor(params: bytes, name: str) -> int:
    fields = _params.decode(params) if params.lstrip().startswith(b"{") else {}
    cursor = fields.get(name)
    if not isinstance(cursor, int) or isinstance(cursor, bool):
        raise InvalidInput(NO_CURSORS)
    return cursor


def _job_update(fields: Mapping[str, Any]) -> JobUpdate:
    status = fields.get("status")
    word = status.strip().lower() if isinstance(status, str) else ""
    if word not in _OUTCOMES:
        raise InvalidInput("status has to be running, completed, stopped or error")
    outcome = _OUTCOMES[word]
    if outcome is not None and word != "completed" and (message := _message(fields)):
        outcome = outcome._replace(message=message)
    return JobUpdate(_name(fields, "job_id").lower(), outcome)


_OUTCOMES: Mapping[str, Outcome | None] = {
    "running": None,
    "completed": PLAIN_SUCCESS,
    "stopped": Outcome("cancelled", "the runner stopped it"),
    "error": Outcome("error", "the runner reported an error"),
}


def _message(fields: Mapping[str, Any]) -> str:
    """Our own runners say why; others do not, and what is no text is left alone."""
    message = fields.get("message")
    if not isinstance(message, str):
        return ""
    return message[:MAX_MESSAGE].encode("utf-8", "replace").decode("utf-8")


def _name(fields: Mapping[str, Any], what: str) -> str:
    """A string or a number, as text."""
    value = fields.get(what)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidInput(f"{what} is missing: a string or a number is expected")
    text = str(value).strip()
    if not 1 <= len(text) <= MAX_NAME or not _is_utf8(text):
        raise InvalidInput(f"{what} has to have 1 to {MAX_NAME} characters")
    return text


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _capacity(value: object) -> int | None:
    number = _whole_number(value, "capacity")
    return None if number is None else min(number, MAX_CAPACITY)


def _port(value: object) -> int | None:
    port = _whole_number(value, "port")
    if port is not None and not 1 <= port <= 65_535:
        raise InvalidInput("port has to be from 1 to 65535")
    return port


def _callback_url(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput("callback_url has to be a text")
    return value.strip()


def _whole_number(value: object, what: str) -> int | None:
    """A number that is not negative, or a text of one; None and an empty text stand for none."""
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if _DIGITS.fullmatch(value):
            return int(value)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidInput(f"{what} has to be a whole number, 0 or more")
    return value

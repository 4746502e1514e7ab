"""JSON that people and runners hand in and that is kept as it came: parameters, results, details.

It is looked at once, on the way in, so that nothing stored can break an answer later.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from server.errors import InvalidInput
from server.wire.unreadable import UNREADABLE

MAX_DEPTH = 64
"""How deep arrays and objects may lie in each other."""

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def check_payload(payload: bytes, what: str) -> None:
    """Raise InvalidInput, naming ``what``, unless ``payload`` is one sound JSON value."""
    try:
        payload.decode("utf-8")
        _decoder.decode(payload)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{what}: not UTF-8 at byte {error.start}") from None
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{what}: {str(error)[:200]}") from None
    except RecursionError:
        raise InvalidInput(_too_deep(what)) from None
    if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH and _depth(payload) > MAX_DEPTH:
        raise InvalidInput(_too_deep(what))


def payload_value(payload: bytes) -> Any:
    """A stored payload as plain values; None where there is none.

    What another protocol let in by its own, looser rules and that cannot be told as JSON of ours
    (a number too large, half a surrogate pair) is given as its text, so that it can be seen.
    """
    if not payload:
        return None
    try:
        return _decoder.decode(payload)
    except UNREADABLE:
        return payload.decode("utf-8", "replace")


def _too_deep(what: str) -> str:
    return f"{what}: nested too deeply, at most {MAX_DEPTH} levels are accepted"


def _depth(payload: bytes) -> int:
    """How deep sound JSON is nested, without building it."""
    depth = deepest = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", payload)):
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest

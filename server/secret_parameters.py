"""Secret parameters: kept apart from what people see of a job, and put back for its runner.

A parameter written ``{"value": ..., "secret": true}`` under ``parameters`` has its value taken out
on the way in. So no list, filter, export or event can show it: it is not there.
"""

from __future__ import annotations

from typing import Any

import msgspec

from server.wire.unreadable import UNREADABLE

_MARK = b'"secret"'
_ESCAPED = rb"\u00"
"""JSON may write any letter so, those of the mark too."""
_KEPT = "secrets"


def hide(params: bytes, extra: bytes = b"") -> tuple[bytes, bytes]:
    """Parameters without secret values, and the job's extra with them.

    A secret that comes without its value (null) is the one that ``extra`` holds already: that is
    how somebody hands parameters back who was never shown it.
    """
    if _MARK not in params and _ESCAPED not in params:
        return params, extra
    document = _object(params)
    marked = _marked(document)
    if not marked:
        return params, extra
    before = _object(extra)
    known = before.get(_KEPT) or {}
    secrets: dict[str, Any] = {}
    for name, entry in marked.items():
        value = entry.get("value")
        secrets[name] = known.get(name) if value is None else value
        entry["value"] = None
    return msgspec.json.encode(document), msgspec.json.encode({**before, _KEPT: secrets})


def reveal(params: bytes, extra: bytes) -> bytes:
    """Parameters as they came in."""
    if not extra or not is_marked(params):
        return params
    document = _object(params)
    secrets = _object(extra).get(_KEPT) or {}
    for name, entry in _marked(document).items():
        if entry.get("value") is None:
            entry["value"] = secrets.get(name)
    return msgspec.json.encode(document)


def handed_back(params: bytes, before: bytes) -> bytes:
    """Parameters that take the place of ``before``: secrets that come without value stay."""
    if not is_marked(params):
        return params
    _, known = hide(before)
    return reveal(*hide(params, known))


def is_marked(params: bytes) -> bool:
    """Whether there may be secrets to put back; costs next to nothing."""
    return _MARK in params


def _marked(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The secret ones among the parameters, by name."""
    parameters = document.get("parameters")
    if not isinstance(parameters, dict):
        return {}
    return {
        name: entry
        for name, entry in parameters.items()
        if isinstance(entry, dict) and entry.get("secret") is True
    }


def _object(text: bytes) -> dict[str, Any]:
    """What is no JSON object, or none that can be read, holds no parameters."""
    try:
        value = msgspec.json.decode(text) if text else {}
    except UNREADABLE:
        return {}
    return value if isinstance(value, dict) else {}

"""Bearer tokens of supervisors and clients: 128 random bytes, compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from typing import TYPE_CHECKING

from server.wire.treadmill import TOKEN_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN_CHARACTERS = 172
"""Of 128 bytes in padded base64."""


def token_bytes(text: str) -> bytes | None:
    """The token a text stands for: padded standard base64 of 128 bytes; None: it is none."""
    if len(text) != TOKEN_CHARACTERS:
        return None
    try:
        token = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return token if len(token) == TOKEN_BYTES else None


def bearer(authorization: str | None) -> bytes | None:
    """The token of an ``Authorization`` header."""
    scheme, _, text = (authorization or "").partition(" ")
    return token_bytes(text.strip()) if scheme.lower() == "bearer" else None


class TokenBook:
    """Whose token is whose. An id that is unknown takes as long to refuse as a wrong token.

    Args:
        tokens: by the id or name of the one who has it.
    """

    def __init__(self, tokens: Mapping[str, bytes]) -> None:
        self._tokens = dict(tokens)
        self._nobodys = secrets.token_bytes(TOKEN_BYTES)

    def fits(self, owner: str, token: bytes | None) -> bool:
        """Whether this is the token of that one."""
        known = self._tokens.get(owner, self._nobodys)
        is_same = hmac.compare_digest(known, token or b"")
        return is_same and owner in self._tokens

    def owner(self, token: bytes | None) -> str | None:
        """Whose token it is; all are compared, whichever fits."""
        found: str | None = None
        for name, known in self._tokens.items():
            if hmac.compare_digest(known, token or b""):
                found = name
        return found

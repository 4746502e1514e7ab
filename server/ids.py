"""Identifiers that leave the process, and secrets."""

from __future__ import annotations

import hashlib
import re
import secrets

import uuid_utils

UUID_PATTERN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MIN_PREFIX = 6
"""Shortest beginning of a UUID that is accepted as a short form, in characters."""


def new_uuid() -> str:
    """A fresh UUIDv7: later ones sort after earlier ones of this process."""
    return str(uuid_utils.uuid7())


def new_secret() -> str:
    """A fresh secret of 256 bits, safe in a URL and a header."""
    return secrets.token_urlsafe(32)


def secret_digest(secret: str) -> str:
    """What is stored instead of a secret. Secrets are random, so no slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

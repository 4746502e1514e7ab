"""The filter language."""

from __future__ import annotations


def fold(text: str) -> str:
    """The form in which texts are compared: without case, and without NUL, which ends a pattern."""
    return text.casefold().replace("\0", "\ufffd")


def folded_error(kind: str, message: str) -> str:
    """An error as filters see it: its type and its message."""
    return fold(f"{kind}: {message}" if kind and message else kind or message)

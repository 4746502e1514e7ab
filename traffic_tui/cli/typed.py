"""Values of named options: what cannot be understood ends as wrong usage that names the option."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from traffic_tui.cli import values
from traffic_tui.cli.failures import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def _for_option(option: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except values.BadValue as problem:
        raise WrongUsage(f"{option}: {problem}") from problem


def duration_of(text: str, option: str) -> float:
    """Seconds from a duration."""
    return _for_option(option, lambda: values.duration_seconds(text))


def moment_of(text: str, now_ms: int, option: str, *, is_past: bool) -> int:
    """Epoch milliseconds from a duration, date or time of day."""
    return _for_option(option, lambda: values.moment_ms(text, now_ms, is_past=is_past))


def cursor_of(text: str, now_ms: int, option: str) -> int:
    """A place of a cursor in microseconds."""
    return _for_option(option, lambda: values.cursor_us(text, now_ms))


def pairs_of(items: list[str], option: str) -> dict[str, str]:
    """A mapping from ``NAME=VALUE`` items."""
    return _for_option(option, lambda: values.pairs(items, "label"))


def assignments_of(items: list[str], option: str, what: str) -> dict[str, str]:
    """A mapping from ``NAME=VALUE`` items, none of which may be a bare name."""
    return _for_option(option, lambda: values.assignments(items, what))


def limit_of(text: str) -> int | None:
    """A queue's limit."""
    return _for_option("limit", lambda: values.limit_or_none(text))


def json_of(text: str, option: str) -> bytes:
    """JSON, checked here so that the error can name the option and the place."""
    import msgspec

    try:
        encoded = text.encode()
        msgspec.json.decode(encoded)
    except UnicodeEncodeError:
        raise WrongUsage(f"{option}: this is not UTF-8") from None
    except (msgspec.DecodeError, RecursionError) as problem:
        raise WrongUsage(f"{option}: this is no JSON: {problem}") from problem
    return encoded

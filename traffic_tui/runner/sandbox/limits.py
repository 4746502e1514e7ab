"""Limits of a job: those of its type, which it may lower, and how they are told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from server.configuration.limit_kinds import LIMIT_KINDS
from server.durations import duration_words
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from server.settings import LimitSettings

UNITS = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))


def narrowed(ceiling: LimitSettings, asked: object) -> LimitSettings:
    """The limits of a job that asks for ``asked``. Raises ValueError in words."""
    if asked is None:
        return ceiling
    if not isinstance(asked, dict):
        raise ValueError('limits is no object; it looks like {"memory": "64MiB"}')
    limits = ceiling
    for name, value in asked.items():
        kind = LIMIT_KINDS.get(name)
        if kind is None:
            known = ", ".join(LIMIT_KINDS)
            raise ValueError(f"there is no limit {plain(name, 60)!r}; there are: {known}")
        try:
            wanted = kind.read(value)
        except ValueError as error:
            raise ValueError(f"limits.{name} {error}") from None
        limits = _lowered(limits, name, wanted)
    return limits


def limit_words(name: str, limits: LimitSettings) -> str:
    """One limit for people: "memory 64 MiB"; empty: there is none."""
    value = _of(limits, name)
    return "" if value is None else f"{name} {_amount(name, value)}"


def limit_names(limits: LimitSettings) -> list[str]:
    """Those that are set."""
    return [name for name in LIMIT_KINDS if _of(limits, name) is not None]


def size_for_people(size: int) -> str:
    """Bytes in the largest unit that says them shortly."""
    for unit, bytes_each in UNITS:
        if size >= bytes_each:
            return f"{size / bytes_each:.4g} {unit}"
    return f"{size} B"


def _lowered(limits: LimitSettings, name: str, wanted: Any) -> LimitSettings:
    most = _of(limits, name)
    if most is not None and (wanted is None or wanted > most):
        asked = "none" if wanted is None else _amount(name, wanted)
        raise ValueError(
            f"limits.{name} is {asked}, but this runner allows at most {_amount(name, most)}; "
            "a job may only lower its limits"
        )
    if name == "wall":
        return replace(limits, wall_ms=wanted)
    return replace(limits, **{name: wanted})


def _of(limits: LimitSettings, name: str) -> Any:
    return limits.wall_ms if name == "wall" else getattr(limits, name)


def _amount(name: str, value: Any) -> str:
    if name == "memory":
        return size_for_people(value)
    if name == "io":
        return f"{size_for_people(value)}/s"
    if name == "wall":
        return duration_words(value)
    return f"{value:g}" if name == "cpu" else str(value)

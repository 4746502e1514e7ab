"""Looking at a job's parameters before it starts. Everything wrong is a ValueError in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from collections.abc import Collection


def known(params: object, names: Collection[str]) -> dict[str, Any]:
    """The parameters, which are an object with no other names than ``names``."""
    if not isinstance(params, dict):
        raise ValueError(f"the parameters are {_kind(params)}, an object is needed")
    for name in params:
        if name not in names:
            takes = ", ".join(sorted(names)) or "none"
            raise ValueError(f"there is no parameter {plain(name, 60)!r}; this job takes: {takes}")
    return params


def number(params: dict[str, Any], name: str, *, least: float, most: float) -> float:
    """A needed number within bounds."""
    value = needed(params, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is {_kind(value)}, a number is needed")
    if not least <= value <= most or not math.isfinite(value):
        raise ValueError(f"{name} is {_short(value)}, it has to lie between {least} and {most}")
    return float(value)


def whole(params: dict[str, Any], name: str, *, least: int, most: int) -> int:
    """A needed whole number within bounds."""
    value = needed(params, name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} is {_kind(value)}, a whole number is needed")
    if not least <= value <= most:
        raise ValueError(f"{name} is {_short(value)}, it has to lie between {least} and {most}")
    return value


def text(params: dict[str, Any], name: str, *, longest: int) -> str:
    """A needed text that is not empty."""
    value = needed(params, name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is {_kind(value)}, a text is needed")
    if not value.strip():
        raise ValueError(f"{name} is empty")
    if len(value) > longest:
        raise ValueError(f"{name} has {len(value)} characters, at most {longest} are taken")
    return value


def needed(params: dict[str, Any], name: str) -> Any:
    if params.get(name) is None:
        raise ValueError(f"the parameter {name!r} is missing")
    return params[name]


def _short(value: float) -> str:
    """A number for a message; huge ones are not spelled out."""
    if isinstance(value, int) and abs(value) > 10**15:
        return f"a number of {value.bit_length()} bits"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _kind(value: object) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return names.get(type(value), "something else")

"""Colours as people see them: how well one can be read on another, and how to make it readable."""

from __future__ import annotations

from typing import TypeAlias

Rgb: TypeAlias = tuple[int, int, int]

READABLE = 4.5
"""Least contrast of text, by the Web Content Accessibility Guidelines, level AA."""
_STEPS = 10

_BASE: tuple[Rgb, ...] = (
    (0, 0, 0),
    (205, 49, 49),
    (13, 188, 121),
    (229, 229, 16),
    (36, 114, 200),
    (188, 63, 188),
    (17, 168, 205),
    (229, 229, 229),
    (102, 102, 102),
    (241, 76, 76),
    (35, 209, 139),
    (245, 245, 67),
    (59, 142, 234),
    (214, 112, 214),
    (41, 184, 219),
    (255, 255, 255),
)
_CUBE = (0, 95, 135, 175, 215, 255)


def palette_rgb(number: int) -> Rgb:
    """The colour behind a number of the 256-colour palette."""
    if number < 16:
        return _BASE[number]
    if number < 232:
        red, rest = divmod(number - 16, 36)
        return _CUBE[red], _CUBE[rest // 6], _CUBE[rest % 6]
    grey = 8 + 10 * (number - 232)
    return grey, grey, grey


def luminance(colour: Rgb) -> float:
    """Relative luminance between 0 (black) and 1 (white)."""
    red, green, blue = (_linear(part / 255) for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def contrast(one: Rgb, other: Rgb) -> float:
    """Contrast ratio between 1 (the same) and 21 (black on white)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def readable(colour: Rgb, background: Rgb, least: float = READABLE) -> Rgb:
    """``colour``, moved towards white or black just as far as ``background`` makes necessary."""
    if contrast(colour, background) >= least:
        return colour
    black, white = (0, 0, 0), (255, 255, 255)
    target = max((black, white), key=lambda end: contrast(end, background))
    for step in range(1, _STEPS + 1):
        moved = mix(colour, target, step / _STEPS)
        if contrast(moved, background) >= least:
            return moved
    return target


def mix(one: Rgb, other: Rgb, share: float) -> Rgb:
    """``share`` of ``other`` in ``one``."""
    red, green, blue = (
        round(start + (end - start) * share) for start, end in zip(one, other, strict=True)
    )
    return red, green, blue

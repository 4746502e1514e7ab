"""Sentences folded into rows: broken at blanks, so that nothing of a reason is cut off."""

from __future__ import annotations

from traffic_tui.state.clean_text import cells, crop, head


def fold_words(text: str, width: int, *, hang: int = 0) -> list[str]:
    """``text`` in rows of at most ``width`` cells; an empty text is one empty row.

    Args:
        text: one line of clean text; blanks at its beginning are kept.
        width: cells a row has.
        hang: cells by which every row but the first is indented.
    """
    rows: list[str] = []
    rest, indent = text, ""
    while cells(indent + rest) > width:
        room = max(2, width - len(indent))
        row, rest = _broken(rest, room)
        rows.append(indent + row)
        indent = " " * min(hang, max(0, width - 2))
    return [*rows, indent + rest]


def fold_to(text: str, width: int, most: int, ellipsis: str = "…") -> list[str]:
    """:func:`fold_words` in at most ``most`` rows; what is left out is marked."""
    rows = fold_words(text, width)
    if len(rows) <= most:
        return rows
    return [*rows[: most - 1], crop(f"{rows[most - 1]} {rows[most]}", width, ellipsis)]


def _broken(text: str, width: int) -> tuple[str, str]:
    """What fits, up to its last blank where it has one, and what is left."""
    fitting = head(text, width) or text[:1]
    if text[len(fitting) : len(fitting) + 1] == " ":
        return fitting.rstrip(), text[len(fitting) :].lstrip()
    place = fitting.rfind(" ")
    if place > 0 and fitting[:place].strip():
        return fitting[:place].rstrip(), text[place:].lstrip()
    return fitting, text[len(fitting) :]

"""The tries of a job side by side, as lines: what differs stands out, what does not steps back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.state.attempt_columns import attempt_cell, attempt_mark, exit_words
from traffic_tui.state.clean_text import clean, crop
from traffic_tui.state.folding import fold_to
from traffic_tui.state.formats import day_and_time, duration, fraction_done, share, size
from traffic_tui.state.glyphs import Span
from traffic_tui.state.usage_words import seconds_words
from traffic_tui.widgets.facts import fit_spans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.wire.operator import AttemptView
    from traffic_tui.state.glyphs import Role
    from traffic_tui.state.row_context import RowContext

    Told = Callable[[AttemptView, RowContext], str]

LABEL_CELLS = 10
LEAST_CELLS = 22
"""Of a try's column; as many tries are shown as have room."""
MOST_CELLS = 48
ERROR_LINES = 2
Line = list[Span]


def tries_shown(attempts: Sequence[AttemptView], newer: int, width: int) -> list[AttemptView]:
    """The tries that have room, oldest first, among them the newer one and the one before it."""
    ordered = sorted(attempts, key=lambda one: one.number)
    room = max(2, (width - LABEL_CELLS) // LEAST_CELLS)
    place = next((at for at, one in enumerate(ordered) if one.number == newer), len(ordered) - 1)
    end = max(place + 1, min(len(ordered), room))
    return ordered[max(0, end - room) : end]


def try_lines(
    shown: Sequence[AttemptView],
    pair: Sequence[int],
    context: RowContext,
    width: int,
    most: int,
) -> list[Line]:
    """A heading, then the facts that are known of any of them, in ``most`` lines at most."""
    cells = min(MOST_CELLS, (width - LABEL_CELLS) // max(1, len(shown)))
    heading = [Span(" " * LABEL_CELLS)]
    for one in shown:
        role: Role = "title" if one.number in pair else "muted"
        heading += fit_spans([Span(f"TRY {one.number}", role)], cells)
    lines = [heading, _outcomes(shown, context, cells)]
    for label, told in _FACTS:
        texts = [clean(told(one, context), 400) for one in shown]
        if set(texts) - {"", "-"} and (label not in _WHERE_OTHERS or len(set(texts)) > 1):
            lines += _fact(label, texts, cells, context)
    return lines[:most]


def _outcomes(shown: Sequence[AttemptView], context: RowContext, cells: int) -> Line:
    line = [_label("ended as")]
    for one in shown:
        mark = attempt_mark(one)
        words = f"{context.glyphs.of(mark)} {mark.word}"
        line += fit_spans([Span(crop(words, cells - 1, context.glyphs.ellipsis), mark.role)], cells)
    return line


def _fact(label: str, texts: Sequence[str], cells: int, context: RowContext) -> list[Line]:
    """Muted where all tries say the same; long words take a second line."""
    role: Role = "muted" if len(set(texts)) == 1 else "plain"
    most = ERROR_LINES if label == "error" else 1
    columns = [fold_to(text, cells - 1, most, context.glyphs.ellipsis) for text in texts]
    height = max(len(column) for column in columns)
    lines: list[Line] = []
    for y in range(height):
        line = [_label("" if y else label)]
        for column in columns:
            line += fit_spans([Span(column[y] if y < len(column) else "", role)], cells)
        lines.append(line)
    return lines


def _label(text: str) -> Span:
    return Span(f" {text:<{LABEL_CELLS - 1}}", "muted")


def _runner(one: AttemptView, context: RowContext) -> str:
    kind = f" ({one.protocol})" if one.protocol else ""
    return f"{one.runner.name}{kind}" if one.runner is not None else ""


def _started(one: AttemptView, context: RowContext) -> str:
    return day_and_time(one.started_at or one.offered_at, context.zone, now=context.now)


def _ran(one: AttemptView, context: RowContext) -> str:
    if not one.started_at:
        return ""
    ran = duration((one.ended_at or context.now) - one.started_at)
    return ran if one.ended_at else f"{ran} so far"


def _error(one: AttemptView, context: RowContext) -> str:
    if one.error is None:
        return ""
    return ": ".join(filter(None, (one.error.type, one.error.message or one.error.kind)))


def _processor(one: AttemptView, context: RowContext) -> str:
    known = one.usage.cpu_seconds if one.usage is not None else None
    return "" if known is None else seconds_words(known)


def _memory(one: AttemptView, context: RowContext) -> str:
    known = one.usage.peak_memory_bytes if one.usage is not None else None
    return "" if known is None else f"{size(known)} at most"


def _disk(one: AttemptView, context: RowContext) -> str:
    known = one.usage.io_bytes if one.usage is not None else None
    return "" if known is None else size(known)


def _done(one: AttemptView, context: RowContext) -> str:
    fraction = fraction_done(one.progress)
    return "" if fraction is None else share(fraction, 1)


def _output(one: AttemptView, context: RowContext) -> str:
    return attempt_cell(one, "output", context, MOST_CELLS).text


def _late(one: AttemptView, context: RowContext) -> str:
    return f"{one.late_writes} refused" if one.late_writes else ""


_FACTS: tuple[tuple[str, Told], ...] = (
    ("runner", _runner),
    ("started", _started),
    ("ran", _ran),
    ("exit", lambda one, context: exit_words(one)),
    ("error", _error),
    ("output", _output),
    ("cpu", _processor),
    ("memory", _memory),
    ("done", _done),
    ("late", _late),
    ("disk", _disk),
    ("around", lambda one, context: one.isolation),
)
"""What matters most comes first: where there is no room, the last are left out."""
_WHERE_OTHERS: frozenset[str] = frozenset({"around"})
"""Told only where the tries differ in it."""

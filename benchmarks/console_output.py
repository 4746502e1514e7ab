"""How many lines a second the output view takes in, and what it keeps of them.

Method: 2,000,000 lines of log text of about 60 bytes, some with colours, are loaded in pieces of
256 KiB as the coordinator sends them; after every 100 ms worth of lines at 200,000 a second the
view draws its whole page, as it does ten times a second. CPU time is measured. Then the same with
the reader holding still. Exit 1 below 200,000 lines a second, where memory is not bounded, or
where the reader's line moved.

    python -m benchmarks.console_output
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

from textual.app import App

from traffic_tui.client.base import OutputPart
from traffic_tui.state.outputlog import CHUNK_BYTES, MAX_BYTES
from traffic_tui.themes import FALLBACK_VARIABLES, register
from traffic_tui.widgets.output_view import OutputView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult

LINES = 2_000_000
BUDGET_LINES_A_SECOND = 200_000
FRAME_LINES = 20_000


class Console(App[None]):
    """The view alone."""

    def __init__(self) -> None:
        super().__init__()
        self.view = OutputView()
        register(self)
        self.theme = "dark"

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(FALLBACK_VARIABLES)

    def compose(self) -> ComposeResult:
        yield self.view

    def frame(self) -> None:
        """Draw the page, as a repaint does."""
        for y in range(self.view.size.height):
            self.view.render_line(y)


def log_lines(count: int) -> bytes:
    """Log text; every tenth line is coloured."""
    return b"".join(
        b"\x1b[33mwarn: tile %07d has no alpha, filling with white\x1b[0m\n" % number
        if number % 10 == 0
        else b"decode tile %07d ok 2048x2048 lanczos3 q=92 sha=91b22e7f\n" % number
        for number in range(count)
    )


def pieces(data: bytes, start: int) -> Iterator[OutputPart]:
    for offset in range(0, len(data), CHUNK_BYTES):
        piece = data[offset : offset + CHUNK_BYTES]
        end = start + offset + len(piece)
        yield OutputPart(start + offset, piece, end, False, 0, 0, 0)


def take_in(console: Console, data: bytes, start: int, count: int) -> float:
    """Load all of it, drawing ten times a second's worth; lines a second of CPU time."""
    bytes_a_frame = len(data) // (count // FRAME_LINES)
    frame_due = 0
    started = time.process_time()
    for piece in pieces(data, start):
        console.view.load(piece, at=1_700_000_000_000)
        frame_due += len(piece.data)
        if frame_due >= bytes_a_frame:
            frame_due = 0
            console.frame()
    return count / (time.process_time() - started)


async def measure() -> bool:
    console = Console()
    data = log_lines(LINES)
    async with console.run_test(size=(160, 50)) as pilot:
        console.view.open("output")
        console.view.load(OutputPart(0, b"", 0, False, 0, 0, 0))
        await pilot.pause()
        following = take_in(console, data, 0, LINES)
        held_bytes = console.view.output.held_bytes
        print(f"{LINES:,} lines, {len(data):,} bytes, page drawn every {FRAME_LINES:,} lines")
        print(f"  following      {following:12,.0f} lines/s of CPU")
        print(
            f"  kept           {console.view.output.line_count():12,} lines, {held_bytes:,} bytes"
        )
        console.view.action_move(-3)
        reading = console.view.current_line()
        more = log_lines(LINES // 10)
        held = take_in(console, more, len(data), LINES // 10)
        print(f"  held still     {held:12,.0f} lines/s of CPU")
        is_kept = reading == console.view.current_line()
        print(f"  place kept     {'yes' if is_kept else 'NO':>12}")
    is_bounded = held_bytes <= MAX_BYTES + CHUNK_BYTES
    return following >= BUDGET_LINES_A_SECOND and is_bounded and is_kept


def main() -> int:
    is_met = asyncio.run(measure())
    print(f"budget {BUDGET_LINES_A_SECOND:,} lines/s: {'met' if is_met else 'MISSED'}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())

"""Taking output along: lines to the clipboard, all of it to files or to another command."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from traffic_tui.lent_terminal import run_in_front
from traffic_tui.screens.base import TrafficScreen
from traffic_tui.screens.dialogs import InputDialog
from traffic_tui.state.clean_text import clean
from traffic_tui.state.formats import size

if TYPE_CHECKING:
    from traffic_tui.screens.tail import Tail
    from traffic_tui.widgets.output_view import OutputView

DEFAULT_COMMAND = "less -R"


class TakingAlong(TrafficScreen):
    """A subclass shows the output of one attempt."""

    number: int
    view: OutputView
    _tail: Tail
    _command = DEFAULT_COMMAND
    """What output was given to last."""

    def do_copy(self) -> None:
        lines = self.view.marked_lines()
        current = self.view.current_line()
        lines = lines or ([current] if current is not None else [])
        text = "\n".join(clean(line.raw.decode("utf-8", "replace")) for line in lines)
        self.copy_lines(text, len(lines))

    def copy_lines(self, text: str, count: int) -> None:
        """Lines are clean already, and their ends are wanted."""
        self.app.copy_to_clipboard(text)
        self.say(f"copied {count} line{'' if count == 1 else 's'}")

    def do_save(self) -> None:
        self.act(self._save())

    async def _save(self) -> None:
        attempt = self._tail.shown.attempt
        texts = await self._tail.whole()
        if not texts:
            self.say("there is no output to save", "warn")
            return
        written: list[str] = []
        for stream, data in texts.items():
            path = Path.cwd() / f"{self.number}-try{attempt}-{stream}.log"
            try:
                await asyncio.to_thread(_write_new, path, data)
            except OSError as error:
                self.warn(f"not saved: {error}")
                return
            written.append(f"{path} ({size(len(data))})")
        self.say(f"saved {', '.join(written)}")

    def do_pipe(self, argument: str) -> None:
        self.act(self._pipe(argument))

    async def _pipe(self, command: str) -> None:
        if not command:
            glyphs = self.desk.context.glyphs
            facts = ("all streams, as they are kept",)
            dialog = InputDialog("Give the output to", facts, self._command, glyphs=glyphs)
            command = await self.ask(dialog) or ""
        if not command:
            return
        TakingAlong._command = command
        self.say("reading all of the output")
        data = b"".join((await self._tail.whole()).values())
        if not data:
            self.say("there is no output to give away", "warn")
            return
        try:
            code = await run_in_front(self.app, ("/bin/sh", "-c", command), data)
        except SuspendNotSupported:
            self.say("this terminal cannot be lent to a command; S saves the output", "warn")
            return
        words = f"{clean(command, 60)}: {size(len(data))}"
        if code not in (0, -signal.SIGINT):
            self.say(f"{words}, {'exit' if code > 0 else 'signal'} {abs(code)}", "warn")
        else:
            self.say(words)


def _write_new(path: Path, data: bytes) -> None:
    """Never over a file that is there: the next free name is taken by the operator, not by us."""
    with path.open("xb") as file:
        file.write(data)

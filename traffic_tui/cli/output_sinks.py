"""Where output goes: untouched into a pipe or file, harmless onto a terminal."""

from __future__ import annotations

import codecs
import sys
from typing import TYPE_CHECKING, BinaryIO, Protocol, TextIO

if TYPE_CHECKING:
    from traffic_tui.cli.printing import Printer

MAX_LINE = 100_000
"""Longest line that is held while its end has not come, in characters."""


class Sink(Protocol):
    """Takes the bytes of one stream in order."""

    def write(self, data: bytes, at: int) -> None:
        """``at``: when the bytes came in, in epoch milliseconds."""
        ...

    def end(self) -> None:
        """Nothing more comes of this try."""
        ...


class RawSink:
    """Every byte as it came."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes, at: int) -> None:
        self._file.write(data)
        self._file.flush()

    def end(self) -> None:
        self._file.flush()


class LineSink:
    """Clean lines: a job's output must not repaint the terminal of whoever reads it."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def write(self, data: bytes, at: int) -> None:
        text = self._rest + self._decoder.decode(data)
        *lines, self._rest = text.split("\n")
        if len(self._rest) > MAX_LINE:
            lines.append(self._rest)
            self._rest = ""
        for line in lines:
            self._write_line(line)
        self._file.flush()

    def end(self) -> None:
        if self._rest:
            self._write_line(self._rest)
        self._rest = ""
        self._decoder.reset()
        self._file.flush()

    def _write_line(self, line: str) -> None:
        from traffic_tui.state.formats import clean

        seen = line.rstrip("\r").rpartition("\r")[2]  # what a terminal would show in the end
        self._file.write(clean(seen, MAX_LINE) + "\n")


class JsonSink:
    """Pieces as lines of JSON, for ``-o json``: base64, since output need not be text."""

    def __init__(self, printer: Printer, stream: str) -> None:
        self._printer = printer
        self._stream = stream

    def write(self, data: bytes, at: int) -> None:
        self._printer.json_line({"stream": self._stream, "at": at, "data": data})

    def end(self) -> None:
        return


def sinks_for(printer: Printer) -> dict[str, Sink]:
    """A job's stderr goes to stderr, all else to stdout, each in the way its end can take."""
    if printer.is_json:
        return {each: JsonSink(printer, each) for each in ("stdout", "stderr", "console")}
    out: Sink = LineSink(sys.stdout) if sys.stdout.isatty() else RawSink(sys.stdout.buffer)
    err: Sink = LineSink(sys.stderr) if sys.stderr.isatty() else RawSink(sys.stderr.buffer)
    return {"stdout": out, "console": out, "stderr": err}

"""The coordinator's own log: a file that cannot grow without end, and stderr where that is free.

In the console's process stderr is the screen, so nothing may be written there.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import re
import sys
import time
from io import TextIOWrapper
from typing import TYPE_CHECKING

from server.folder import private_opener
from server.unseen import UNSEEN

if TYPE_CHECKING:
    from pathlib import Path

LOG_FILE = "coordinator.log"
_MAX_BYTES = 5 * 1024 * 1024
_KEPT_FILES = 3
_LONGEST_TEXT = 20_000
_UNPRINTABLE = re.compile(rf"[\x00-\x1f\ud800-\udfff{UNSEEN}]")
_CREDENTIAL = re.compile(
    r"(?i)\b(bearer|secret|password|token|api[-_]?key)([=:\s]+)[^\s,;&'\"]{6,}"
)
_OWN_LOGGERS = ("server", "traffic_tui")
_TALKATIVE_LOGGERS = ("httpx", "httpcore", "uvicorn.access", "asyncio")


def clean(text: str) -> str:
    """A text as one line without what a terminal obeys and without what looks like a key."""
    text = _CREDENTIAL.sub(r"\1\2(not shown)", text[:_LONGEST_TEXT])
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


class LineFormatter(logging.Formatter):
    """One record, one line: for people, or as JSON for programs."""

    def __init__(self, *, is_json: bool) -> None:
        super().__init__()
        self._is_json = is_json

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        at = f"{at}.{int(record.msecs):03d}Z"
        message = clean(record.getMessage())
        trace = self._trace_lines(record)
        if not self._is_json:
            words = " | ".join([message, *trace])
            return f"{at} {record.levelname.lower()} {record.name}: {words}"
        entry = {"at": at, "level": record.levelname.lower(), "logger": record.name}
        entry["message"] = message
        if trace:
            entry["trace"] = "\n".join(trace)
        return json.dumps(entry, ensure_ascii=False)

    def _trace_lines(self, record: logging.LogRecord) -> list[str]:
        if not record.exc_info:
            return []
        return [clean(line) for line in self.formatException(record.exc_info).splitlines()]


class PrivateRotatingFile(logging.handlers.RotatingFileHandler):
    """A rotating file that only this user can read.

    A record that cannot be written, as the disk is full, is given up: kept back it would fail
    again when the file is closed, and a trace on stderr would paint over the console.
    """

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def _open(self) -> TextIOWrapper:
        descriptor = private_opener(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        unbuffered = os.fdopen(descriptor, "ab", buffering=0)
        return TextIOWrapper(unbuffered, encoding="utf-8", write_through=True)


class CoordinatorLog:
    """Sends what this process logs to the data folder, from :meth:`start` to :meth:`stop`."""

    def __init__(self, folder: Path, *, to_stderr: bool) -> None:
        self._folder = folder
        self._to_stderr = to_stderr
        self._handlers: list[logging.Handler] = []
        self._levels: dict[str, int] = {}

    def start(self) -> None:
        if self._handlers:
            return
        file = PrivateRotatingFile(
            self._folder / LOG_FILE,
            maxBytes=_MAX_BYTES,
            backupCount=_KEPT_FILES,
            encoding="utf-8",
        )
        file.setFormatter(LineFormatter(is_json=True))
        self._handlers.append(file)
        if self._to_stderr:
            stderr = logging.StreamHandler(sys.stderr)
            stderr.setFormatter(LineFormatter(is_json=not os.isatty(2)))
            self._handlers.append(stderr)
        for handler in self._handlers:
            handler.setLevel(logging.INFO)
            logging.getLogger().addHandler(handler)
        self._set_levels(_OWN_LOGGERS, logging.INFO)
        self._set_levels(_TALKATIVE_LOGGERS, logging.WARNING)

    def stop(self) -> None:
        """Let go of the files; what is logged later goes where it went before."""
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()
        self._handlers.clear()
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)
        self._levels.clear()

    def _set_levels(self, names: tuple[str, ...], level: int) -> None:
        for name in names:
            named = logging.getLogger(name)
            self._levels[name] = named.level
            named.setLevel(level)

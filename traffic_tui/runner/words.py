"""Text from outside, made fit for a log line: one line, no control bytes, bounded."""

from __future__ import annotations

import re

from server.unseen import UNSEEN

_UNSEEN = re.compile(rf"[\x00-\x1f\ud800-\udfff{UNSEEN}]+")
MAX_WORDS = 300


def plain(text: object, limit: int = MAX_WORDS) -> str:
    """``text`` on one line; what was cut off is told."""
    line = _UNSEEN.sub(" ", str(text)[: limit * 4]).strip()
    return line if len(line) <= limit else f"{line[:limit]} ..."


def fitting(text: str, limit: int) -> str:
    """``text`` that can be told as UTF-8 JSON and is at most ``limit`` characters long."""
    sound = text.encode("utf-8", "replace").decode("utf-8")
    return sound if len(sound) <= limit else sound[: limit - 4] + " ..."

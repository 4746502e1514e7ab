"""Whether the console can show itself here, and whether the clock makes sense."""

from __future__ import annotations

import os
import sys
import time
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from traffic_tui.cli.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST_SIZE = (80, 24)
BUILT_AFTER_S = 1_735_689_600
"""2025-01-01: a clock before that was never set."""


def terminal_finding() -> Finding:
    """Of the terminal this command runs on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return Finding("ok", "terminal", "none here", "the console needs one, 'serve' does not")
    size = get_terminal_size()
    return judge_terminal(os.environ, (size.columns, size.lines), _is_utf8())


def judge_terminal(environment: Mapping[str, str], size: tuple[int, int], is_utf8: bool) -> Finding:
    """What can be said of a terminal. Pure."""
    name = environment.get("TERM", "")
    colours = "none" if environment.get("NO_COLOR") else _colours(environment)
    words = f"{size[0]}x{size[1]}, {name or 'TERM is not set'}, colours: {colours}"
    words += ", UTF-8" if is_utf8 else ", not UTF-8"
    if not name or name == "dumb":
        return Finding("warn", "terminal", words, "set TERM, for example to xterm-256color")
    if size[0] < LEAST_SIZE[0] or size[1] < LEAST_SIZE[1]:
        return Finding("warn", "terminal", words, "the console is made for 80x24 and more")
    if not is_utf8:
        return Finding("warn", "terminal", words, "it will use ASCII; set LANG to a UTF-8 locale")
    return Finding("ok", "terminal", words)


def _colours(environment: Mapping[str, str]) -> str:
    if environment.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "16 million"
    return "256" if "256" in environment.get("TERM", "") else "16"


def _is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def clock_finding() -> Finding:
    """A clock that was never set makes every age and expiry wrong."""
    now = time.time()
    words = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(now))
    if now < BUILT_AFTER_S:
        return Finding("bad", "clock", words, "set the clock, for example with a time server")
    return Finding("ok", "clock", words)

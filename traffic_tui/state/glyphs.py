"""Words, glyphs and roles of states, and the choice between drawn and ASCII glyphs.

A role says what a thing means (``bad``), never how it looks: that is a theme's business.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.model import JobState, RunnerState

Role: TypeAlias = Literal[
    "plain",
    "title",
    "active",
    "waiting",
    "good",
    "warn",
    "bad",
    "muted",
    "place",
    "place_test",
    "place_production",
]
STATE_ROLES: tuple[Role, ...] = ("active", "waiting", "good", "warn", "bad", "muted", "place")
"""Roles a theme gives a colour; ``plain`` and ``title`` follow the foreground."""

QueueState: TypeAlias = Literal["open", "paused", "late"]
ScheduleState: TypeAlias = Literal["on", "paused"]


class Span(NamedTuple):
    """A stretch of text with one meaning."""

    text: str
    role: Role = "plain"


class Mark(NamedTuple):
    """How one state is written."""

    word: str
    glyph: str
    ascii: str
    role: Role
    glyph_role: Role


def _mark(word: str, glyph: str, ascii_glyph: str, role: Role, glyph_role: Role = "plain") -> Mark:
    return Mark(word, glyph, ascii_glyph, role, role if glyph_role == "plain" else glyph_role)


JOB_MARKS: Mapping[JobState, Mark] = {
    "scheduled": _mark("scheduled", "◷", "@", "waiting"),
    "pending": _mark("pending", "○", ".", "waiting"),
    "claimed": _mark("claimed", "◔", "o", "waiting"),
    "in_progress": _mark("running", "▸", ">", "active"),
    "stopping": _mark("stopping", "□", "~", "warn"),
    "completed": _mark("completed", "✓", "+", "muted", "good"),
    "failed": _mark("failed", "✗", "X", "bad"),
    "stopped": _mark("stopped", "■", "=", "muted"),
    "expired": _mark("expired", "⊘", "%", "bad"),
}

RUNNER_MARKS: Mapping[RunnerState, Mark] = {
    "ok": _mark("ok", "●", "+", "good"),
    "quiet": _mark("quiet", "!", "!", "bad"),
    "suspect": _mark("suspect", "◐", "?", "warn"),
    "faulty": _mark("faulty", "△", "^", "warn"),
    "lost": _mark("lost", "✗", "X", "bad"),
    "draining": _mark("draining", "▽", "v", "warn"),
    "drained": _mark("drained", "‖", "=", "muted"),
    "gone": _mark("gone", "○", ".", "muted"),
}

QUEUE_MARKS: Mapping[QueueState, Mark] = {
    "open": _mark("open", "○", ".", "waiting"),
    "paused": _mark("paused", "‖", "=", "warn"),
    "late": _mark("late", "!", "!", "bad"),
}


SCHEDULE_MARKS: Mapping[ScheduleState, Mark] = {
    "on": _mark("on", "◷", "@", "waiting"),
    "paused": _mark("paused", "‖", "=", "warn"),
}


class GlyphSet(NamedTuple):
    """The drawing marks of one kind of terminal, each one cell wide."""

    is_ascii: bool
    bar_steps: str
    """From almost empty to full."""
    bar_rest: str
    spark: str
    """Eight levels; the lowest is a true zero."""
    rule: str
    edge: str
    ellipsis: str
    down: str
    up: str
    live: str
    stale: str
    corners: str
    """Top left, top right, bottom left, bottom right."""
    cursor: str
    """Stands after a last line that has no end yet."""

    def of(self, mark: Mark) -> str:
        return mark.ascii if self.is_ascii else mark.glyph


DRAWN = GlyphSet(
    is_ascii=False,
    bar_steps="▏▎▍▌▋▊▉█",
    bar_rest=" ",
    spark="▁▂▃▄▅▆▇█",
    rule="─",
    edge="│",
    ellipsis="…",
    down="↓",
    up="↑",
    live="●",
    stale="○",
    corners="┌┐└┘",
    cursor="▏",
)
ASCII = GlyphSet(
    is_ascii=True,
    bar_steps="#",
    bar_rest=".",
    spark=".:-=+*#@",
    rule="-",
    edge="|",
    ellipsis="~",
    down="v",
    up="^",
    live="*",
    stale="o",
    corners="++++",
    cursor="|",
)

_PLAIN_TERMINALS = frozenset({"linux", "dumb"})
_WIDE_LOCALE = re.compile(r"(ja|ko|zh)([_.@]|$)")
"""Locales in which terminals draw glyphs of ambiguous width two cells wide."""


def choose_glyphs(environ: Mapping[str, str], *, force_ascii: bool = False) -> GlyphSet:
    """The glyphs this terminal can be trusted with, judged by its locale and ``TERM``."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    is_utf8 = locale.lower().replace("-", "").partition("@")[0].endswith("utf8")
    is_plain = environ.get("TERM", "") in _PLAIN_TERMINALS
    if force_ascii or not is_utf8 or is_plain or _WIDE_LOCALE.match(locale):
        return ASCII
    return DRAWN

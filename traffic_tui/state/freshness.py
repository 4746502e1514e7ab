"""How old what the screen shows is, so that it never claims to be younger."""

from __future__ import annotations

from traffic_tui.state.formats import age
from traffic_tui.state.glyphs import GlyphSet, Span

STALE_AFTER_SECONDS = 5.0
"""Silence of the event stream after which the screen is called stale."""
SLOW_WRITE_SECONDS = 0.1
PACES = (10, 5, 2, 1)
"""Frames a second, from a good line to the slowest."""
GOOD_SECONDS_FOR_MORE = 5.0


class Freshness:
    """When something was last heard of the coordinator. All times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._heard_at = now
        self._has_heard = False
        self._was_cut = False

    def heard(self, now: float) -> None:
        """An event, a keep-alive or an answer arrived."""
        self._heard_at = now
        self._has_heard = True
        self._was_cut = False

    def cut(self) -> None:
        """The connection is known to be gone."""
        self._was_cut = True

    @property
    def has_heard(self) -> bool:
        """Whether there ever was an answer."""
        return self._has_heard

    def silence(self, now: float) -> float:
        return max(0.0, now - self._heard_at)

    def is_stale(self, now: float) -> bool:
        return self._was_cut or not self._has_heard or self.silence(now) > STALE_AFTER_SECONDS

    def span(self, now: float, glyphs: GlyphSet) -> Span:
        """``● live``, or since when nothing was heard."""
        if not self.is_stale(now):
            return Span(f"{glyphs.live} live", "good")
        if not self._has_heard:
            return Span(f"{glyphs.stale} connecting", "warn")
        return Span(f"{glyphs.stale} stale {age(round(self.silence(now) * 1000))}", "bad")

    def reason_to_hold_back(self, now: float) -> str:
        """Why actions are held back now; empty: they are not."""
        if not self.is_stale(now):
            return ""
        if not self._has_heard:
            return "not connected yet: nothing can be asked of the coordinator"
        return (
            f"nothing heard from the coordinator for {age(round(self.silence(now) * 1000))}: "
            "what is shown may be out of date, so actions are held back"
        )


class FramePace:
    """How often a slow line is painted: fewer frames when writing one takes too long."""

    def __init__(self) -> None:
        self._step = 0
        self._good_since = 0.0

    @property
    def frames_per_second(self) -> int:
        return PACES[self._step]

    @property
    def words(self) -> str:
        """``1/s`` beside ``live``; empty at full pace."""
        return "" if self._step == 0 else f"{self.frames_per_second}/s"

    def wrote(self, seconds: float, now: float) -> None:
        """How long the slowest write to the terminal since the last call took."""
        if seconds > SLOW_WRITE_SECONDS:
            self._good_since = now
            self._step = min(self._step + 1, len(PACES) - 1)
        elif self._step and now - self._good_since >= GOOD_SECONDS_FOR_MORE:
            self._good_since = now
            self._step -= 1

"""What a check of ``doctor`` says."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Verdict: TypeAlias = Literal["ok", "warn", "bad"]


class Finding(NamedTuple):
    """One check's answer."""

    verdict: Verdict
    what: str
    words: str
    advice: str = ""
    """What to do; empty where nothing is."""

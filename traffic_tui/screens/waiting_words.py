"""Why a job waits, in a few words: the verdicts of all runners, counted by kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from traffic_tui.screens.wording import VERDICT_WORDS
from traffic_tui.state.clean_text import clean

if TYPE_CHECKING:
    from server.wire.operator import ExplainView

OF_THE_QUEUE = frozenset({"limit", "pause", "schedule"})
"""Verdicts that do not depend on the runner."""


def waiting_words(job_type: str, explained: ExplainView) -> str:
    """What a job waits for; the coordinator's own words where they say more than a number."""
    kinds = Counter(verdict.verdict for verdict in explained.reasons)
    if explained.state != "pending" or kinds["eligible"]:
        return explained.summary
    if not kinds:
        return "there is no runner"
    shared = [kind for kind in kinds if kind in OF_THE_QUEUE]
    if shared:
        return VERDICT_WORDS[shared[0]]
    able = Counter({kind: number for kind, number in kinds.items() if kind != "type"})
    if not able:
        return f"no runner does {clean(job_type)}"
    return ", ".join(
        f"{VERDICT_WORDS.get(kind, clean(kind))} ({number} runner{'s' if number > 1 else ''})"
        for kind, number in able.most_common()
    )

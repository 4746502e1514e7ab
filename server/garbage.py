"""How often a process looks for garbage that holds cycles. Standard library only."""

from __future__ import annotations

import gc

THRESHOLDS = (50_000, 20, 100)
"""New objects before a collection, and collections before one of the next generation."""


def collect_seldom() -> None:
    """Leave what a started program consists of alone, and look for garbage less often.

    Jobs and events are made by the thousand and hold no cycles, so that the usual thresholds have
    the whole heap walked over and over for nothing: a fifth of the time of a busy coordinator, and
    pauses of 60 ms where a console is in the process too.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)

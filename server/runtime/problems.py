"""What keeps a coordinator from serving, in words for whoever started it."""

from __future__ import annotations


class RuntimeProblem(Exception):
    """The coordinator cannot start, or had to end. The text says why and what to do."""


class CoordinatorGone(Exception):
    """The coordinator's thread has ended, so nothing can be asked of it any more."""

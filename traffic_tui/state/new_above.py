"""Rows that came in above what is in view: the list stays where it is, so they must be told of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class NewAbove:
    """Counts rows that came since the list was begun and have not been in view."""

    def __init__(self) -> None:
        self._new: set[int] = set()

    def forget(self) -> None:
        """Another filter or order: nothing of it is new."""
        self._new.clear()

    def came(self, before: Collection[int], keys: Sequence[int], top: int) -> None:
        """The list was ``before`` and is ``keys`` now, with ``top`` as the first line in view."""
        if before:
            known = set(before)
            self._new.update(key for key in keys[:top] if key not in known)

    def count(self, keys: Sequence[int], top: int) -> int:
        """How many of them stand above the first line in view; those seen are new no more."""
        if self._new:
            self._new.intersection_update(keys[:top])
        return len(self._new)

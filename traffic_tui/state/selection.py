"""Which row the cursor is on and which are marked, by key, so that no refresh moves them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Key = TypeVar("Key", bound="int | str")

_NEAR = 256
"""How far from its old place a row is looked for before the whole list is searched."""


class Selection(Generic[Key]):
    """The cursor and the marks of one list.

    The list itself is handed in as the sequence of keys in order; nothing is copied, so a list of
    100,000 rows costs nothing here.
    """

    def __init__(self) -> None:
        self.key: Key | None = None
        """The row under the cursor; None: the list is empty."""
        self.index = 0
        self.marks: set[Key] = set()
        self._anchor: Key | None = None
        self._keys: Sequence[Key] = ()
        self._neighbours: tuple[Key, ...] = ()
        """The rows after and before the cursor: where it goes when its own row has gone."""

    @property
    def keys(self) -> Sequence[Key]:
        return self._keys

    @property
    def range_start(self) -> Key | None:
        """Where a range of marks began; None: no range is open."""
        return self._anchor

    def replace(self, keys: Sequence[Key]) -> int:
        """Take a new order; the answer is by how many lines the cursor's row moved.

        Where the row itself has gone, the cursor is on the one that followed it.
        """
        old_index = self.index
        self._keys = keys
        if not keys:
            self.key, self.index, self._neighbours = None, 0, ()
            return 0
        found = find_near(keys, self.key, old_index)
        for neighbour in self._neighbours:
            found = found if found is not None else find_near(keys, neighbour, old_index)
        self._set_index(old_index if found is None else found)
        return self.index - old_index

    def move_to(self, index: int) -> bool:
        """Put the cursor on a line, as near as the list allows; whether it moved."""
        if not self._keys:
            return False
        before = self.index
        self._set_index(index)
        return self.index != before

    def _set_index(self, index: int) -> None:
        index = max(0, min(index, len(self._keys) - 1))
        self.index, self.key = index, self._keys[index]
        around = (index + 1, index - 1)
        self._neighbours = tuple(self._keys[at] for at in around if 0 <= at < len(self._keys))

    def select(self, key: Key) -> bool:
        """Put the cursor on a row, if it is in the list."""
        found = find_near(self._keys, key, self.index)
        if found is None:
            return False
        self.move_to(found)
        return True

    def toggle_mark(self) -> None:
        """Mark the row under the cursor, or take its mark away."""
        if self.key is not None:
            self.marks ^= {self.key}

    def start_range(self) -> None:
        """Begin a range at the cursor; ending it marks all rows from there to the cursor."""
        self._anchor = self.key

    def end_range(self) -> frozenset[Key]:
        """Mark all rows between where the range began and the cursor; which those are."""
        start = self._anchor
        self._anchor = None
        found = find_near(self._keys, start, self.index) if start is not None else None
        if found is None:
            return frozenset()
        low, high = sorted((found, self.index))
        covered = frozenset(self._keys[low : high + 1])
        self.marks |= covered
        return covered

    def mark_all(self, keys: Iterable[Key]) -> None:
        self.marks.update(keys)

    def clear_marks(self) -> None:
        self.marks.clear()
        self._anchor = None

    def forget(self, keys: Iterable[Key]) -> None:
        """Drop the marks of rows that are no more: a mark nobody sees must not be acted on."""
        self.marks.difference_update(keys)

    def chosen(self) -> list[Key]:
        """What an action is about: the marked rows in list order, else the row of the cursor."""
        if not self.marks:
            return [] if self.key is None else [self.key]
        listed = [key for key in self._keys if key in self.marks]
        return listed + sorted(self.marks.difference(listed), key=str)


def find_near(keys: Sequence[Key], key: Key | None, index: int) -> int | None:
    """Where ``key`` is, looking around its old place first: most changes move rows a little."""
    if key is None:
        return None
    low = max(0, index - _NEAR)
    high = min(len(keys), index + _NEAR)
    try:
        return keys.index(key, low, high)
    except ValueError:
        pass
    try:
        return keys.index(key)
    except ValueError:
        return None

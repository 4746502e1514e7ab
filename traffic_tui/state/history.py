"""Where the operator has been: back and forward, as in a browser."""

from __future__ import annotations

from typing import Generic, TypeVar

Place = TypeVar("Place")

MAX_PLACES = 100


class History(Generic[Place]):
    """Places in the order they were visited; going somewhere new drops what lay ahead."""

    def __init__(self, first: Place) -> None:
        self._places = [first]
        self._index = 0

    @property
    def here(self) -> Place:
        return self._places[self._index]

    @property
    def can_go_back(self) -> bool:
        return self._index > 0

    @property
    def can_go_forward(self) -> bool:
        return self._index < len(self._places) - 1

    def visit(self, place: Place) -> None:
        if place == self.here:
            return
        self._places = [*self._places[: self._index + 1], place][-MAX_PLACES:]
        self._index = len(self._places) - 1

    def replace(self, place: Place) -> None:
        """Stay here, but remember it differently, for example with another filter."""
        self._places[self._index] = place

    def back(self) -> Place | None:
        """The place before; None at the beginning."""
        if not self.can_go_back:
            return None
        self._index -= 1
        return self.here

    def forward(self) -> Place | None:
        """The place after; None at the end."""
        if not self.can_go_forward:
            return None
        self._index += 1
        return self.here

    def last_other(self) -> Place | None:
        """Go to where the operator was just before, and back again: ``-``."""
        return self.back() if self.can_go_back else self.forward()

"""A list that is loaded anew when it is out of date."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from server.wire.operator import EventView
from traffic_tui.screens.catch_up import SHORTEST_PAUSE_SECONDS, CatchUp
from traffic_tui.screens.list_screen import ListScreen

if TYPE_CHECKING:
    from traffic_tui.link import Heard
    from traffic_tui.screens.desk import Desk
    from traffic_tui.widgets.line_table import RowSource

View = TypeVar("View")


class KeptList(ListScreen[View], Generic[View]):
    """A subclass says how to load it, and which news make it out of date."""

    shortest_pause: ClassVar[float] = SHORTEST_PAUSE_SECONDS
    """Seconds between two loads at least."""

    def __init__(self, desk: Desk, source: RowSource, *, about: str = "", order: str = "") -> None:
        super().__init__(desk, source, about=about, order=order)
        self._catch_up = CatchUp(
            desk,
            lambda work: self.begin(work, "catch-up"),
            reload=self._reload,
            failed=lambda words: self.say(words, "warn"),
            shortest_pause=self.shortest_pause,
        )

    async def _reload(self) -> None:
        """Load what is out of date, and show it."""
        raise NotImplementedError

    def concerns(self, heard: Heard) -> bool:
        """Whether news make this list out of date."""
        return heard.is_incomplete or any(isinstance(item, EventView) for item in heard.items)

    @property
    def is_behind(self) -> bool:
        return self._catch_up.is_outdated

    def heard(self, heard: Heard) -> None:
        if self.concerns(heard):
            self._catch_up.is_outdated = True
        if self.is_current:
            self._catch_up.step()

    def on_screen_resume(self) -> None:
        self._catch_up.is_outdated = True

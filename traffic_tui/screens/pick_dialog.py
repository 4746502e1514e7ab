"""A list to choose from by typing: where to move a job, or what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input

from traffic_tui.screens.dialogs import Answer, fact_lines
from traffic_tui.state.clean_text import cells, clean
from traffic_tui.state.columns import UNBOUNDED, Cell, Column, PlacedColumn, fit_columns
from traffic_tui.state.glyphs import DRAWN, GlyphSet, Role, Span
from traffic_tui.widgets.dialog import BOX_LINES, DialogScreen
from traffic_tui.widgets.facts import FactsBlock
from traffic_tui.widgets.line_table import LineTable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.app import ComposeResult

    from traffic_tui.screens.wording import Target

_COLUMNS = (
    Column("name", "", 0, 14, 24),
    Column("detail", "", 0, 20, UNBOUNDED, grows=True),
)
MAX_LINES = 14


class TargetRows:
    """Targets as rows of a table."""

    def __init__(self, targets: Sequence[Target]) -> None:
        self._targets = {target.value: target for target in targets}
        self._widest = max((cells(target.name) for target in targets), default=0) + 1

    def columns(self, width: int) -> Sequence[PlacedColumn]:
        return fit_columns(_COLUMNS, width, {"name": self._widest})

    def cell(self, key: str, column: PlacedColumn) -> Cell:
        target = self._targets[key]
        if column.column.key == "name":
            return Cell(f" {target.name}")
        return Cell(target.detail, target.role)

    def row_role(self, key: str) -> Role:
        return "plain" if self._targets[key].is_eligible else "muted"


class PickDialog(DialogScreen[Answer]):
    """Type to narrow the list, up and down to choose, enter to move the job there."""

    DEFAULT_CSS = """
    PickDialog LineTable { width: 100%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "leave", "leave", show=False),
        Binding("enter", "choose", "choose", show=False, priority=True),
        Binding("down", "move(1)", "down", show=False, priority=True),
        Binding("up", "move(-1)", "up", show=False, priority=True),
        Binding("pagedown,ctrl+d", "page(1)", "page down", show=False, priority=True),
        Binding("pageup,ctrl+u", "page(-1)", "page up", show=False, priority=True),
    ]

    def __init__(
        self,
        title: str,
        facts: Sequence[str],
        targets: Sequence[Target],
        *,
        verb: str = "moves it there",
        glyphs: GlyphSet = DRAWN,
    ) -> None:
        super().__init__(glyphs=glyphs)
        self._title = title
        self._facts = facts
        self._verb = verb
        self._targets = {target.value: target for target in targets}
        self._table = LineTable(TargetRows(targets), empty=("nothing matches",))
        self._table.can_focus = False
        self._find = Input(placeholder="find", max_length=100)
        self._table.glyphs = glyphs

    def compose(self) -> ComposeResult:
        hints = (
            Span("enter", "title"), Span(f" {self._verb}  "),
            Span("esc", "title"), Span(" leaves  "),
            Span("type", "title"), Span(" to find"),
        )  # fmt: skip
        head = FactsBlock()
        head.show([[Span(clean(self._title), "title")], *fact_lines(self._facts), hints])
        with Vertical(classes="dialog boxed"):
            yield head
            yield self._find
            yield self._table

    def on_mount(self) -> None:
        self._table.set_order(list(self._targets))

    def on_resize(self, event: events.Resize) -> None:
        """No row is listed out of sight: it could be picked there."""
        others = sum(widget.outer_size.height for widget in self._table.siblings)
        room = event.size.height - others - BOX_LINES
        self._table.styles.height = max(2, min(MAX_LINES, len(self._targets) + 1, room))

    def on_input_changed(self, event: Input.Changed) -> None:
        self._narrow()

    def _narrow(self) -> None:
        """List what fits what is typed."""
        words = self._find.value.lower().split()
        self._table.set_order(
            [
                value
                for value, target in self._targets.items()
                if all(word in f"{target.name} {target.detail}".lower() for word in words)
            ]
        )

    def action_move(self, lines: int) -> None:
        self._when_typed(lambda: self._table.action_move(lines))

    def action_page(self, pages: int) -> None:
        self._when_typed(lambda: self._table.action_page(pages))

    def action_choose(self) -> None:
        """Enter before the dialog is awake was meant for what lies below."""
        if self.is_awake:
            self._when_typed(self._choose)

    def _when_typed(self, act: Callable[[], None]) -> None:
        """Act on the list of what is typed: letters that came first may not be written yet."""

        def narrow_and_act() -> None:
            self._narrow()
            act()

        self._find.call_later(narrow_and_act)

    def _choose(self) -> None:
        key = self._table.cursor_key
        if key is not None:
            target = self._targets[str(key)]
            self.dismiss(Answer(target.value, words=target.name))

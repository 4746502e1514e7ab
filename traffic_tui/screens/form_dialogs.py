"""Dialogs in which parameters are written: edit-and-resubmit, and start a job."""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.suggester import SuggestFromList
from textual.widgets import Input, TextArea

from server.model import MAX_NAME
from server.wire.operator import SubmitRequest
from traffic_tui.lent_terminal import run_in_front
from traffic_tui.screens.dialogs import Answer
from traffic_tui.state.clean_text import clean
from traffic_tui.state.glyphs import DRAWN, GlyphSet, Role, Span
from traffic_tui.widgets.dialog import BOX_LINES, DialogScreen
from traffic_tui.widgets.facts import FactsBlock
from traffic_tui.widgets.line_input import LineInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events
    from textual.app import App, ComposeResult

PARAMS_LINES = (3, 10)
"""Lines for parameters, at least and at most."""
MAX_EDITED = 1_000_000
"""Characters of parameters that are edited here; larger ones are for a file and the CLI."""


def params_problem(text: str) -> str:
    """What is wrong with parameters as typed, or nothing."""
    try:
        value: Any = msgspec.json.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError) as error:
        return f"not JSON: {error}"
    return "" if isinstance(value, dict) else "an object is wanted: {...}"


class _ParamsDialog(DialogScreen[Any]):
    """Parameters in an editor, judged while they are typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+c", "leave", "leave", show=False, priority=True),
        Binding("ctrl+r,f2", "submit", "submit", show=False, priority=True),
        Binding("ctrl+e", "external", "$EDITOR", show=False, priority=True),
    ]

    def __init__(self, title: str, params: str, *, glyphs: GlyphSet = DRAWN) -> None:
        super().__init__(glyphs=glyphs)
        self._title = title
        self._head = FactsBlock()
        self._foot = FactsBlock()
        self._params = TextArea(
            params[:MAX_EDITED],
            soft_wrap=True,
            tab_behavior="focus",
            show_line_numbers=False,
            highlight_cursor_line=False,
        )

    @property
    def params(self) -> str:
        return self._params.text

    @property
    def problem(self) -> str:
        return params_problem(self._params.text)

    def on_mount(self) -> None:
        self._head.show([[Span(self._title, "title")]])
        self._judge()

    def on_resize(self, event: events.Resize) -> None:
        """The parameters give way: the keys below them stay in sight."""
        others = sum(widget.outer_size.height for widget in self._params.siblings)
        least, most = PARAMS_LINES
        room = event.size.height - others - BOX_LINES
        self._params.styles.height = max(least, min(most, room))

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self._judge()

    def _judge(self) -> None:
        problem = self.problem
        verdict: tuple[str, Role] = (problem, "bad") if problem else ("good JSON", "good")
        self._foot.show(
            [
                [Span(*verdict)],
                [
                    Span("ctrl+r", "title"), Span(" submits  "),
                    Span("ctrl+e", "title"), Span(" $EDITOR  "),
                    Span("tab", "title"), Span(" next field  "),
                    Span("esc", "title"), Span(" leaves it alone"),
                ],
            ]
        )  # fmt: skip

    def action_submit(self) -> None:
        """Once all is written that was typed before."""
        if self.is_awake:
            (self.focused or self).call_later(self._submit)

    def _submit(self) -> None:
        if not self.problem:
            self.dismiss(self.result())

    def result(self) -> object:
        raise NotImplementedError

    def action_external(self) -> None:
        """Write the parameters in the operator's own editor."""
        self.run_worker(self._edit_outside(), exclusive=True, exit_on_error=False)

    async def _edit_outside(self) -> None:
        try:
            text = await edited(self.app, self._params.text)
        except SuspendNotSupported:
            self.notify("this terminal cannot be lent to an editor", markup=False)
        except (OSError, ValueError) as error:
            words = clean(f"the editor did not start: {error}", 400)
            self.notify(words, severity="error", markup=False)
        else:
            if text is None:
                self.notify("the editor failed: all is as it was", severity="error", markup=False)
            else:
                self._params.text = text


async def edited(app: App[Any], text: str) -> str | None:
    """``text`` after the operator's editor; None: the editor failed.

    Raises:
        SuspendNotSupported: this terminal cannot be lent.
        OSError: the editor did not start.
        ValueError: $VISUAL or $EDITOR cannot be read as words.
    """
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="traffic-tui-") as folder:
        path = Path(folder) / "params.json"
        path.write_text(text, encoding="utf-8")
        if await run_in_front(app, [*command, str(path)]) != 0:
            return None
        return path.read_text(encoding="utf-8", errors="replace")[:MAX_EDITED]


def _label(text: str) -> FactsBlock:
    """What the field below is for."""
    label = FactsBlock()
    label.show([[Span(text, "muted")]])
    return label


class EditDialog(_ParamsDialog):
    """The parameters of a job, before it runs again as a new one."""

    def __init__(self, title: str, params: str, *, glyphs: GlyphSet = DRAWN) -> None:
        super().__init__(title, params, glyphs=glyphs)
        self._reason = LineInput(placeholder="reason (may stay empty)", max_length=500)

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog boxed"):
            yield self._head
            yield self._params
            yield self._reason
            yield self._foot

    def result(self) -> Answer:
        return Answer(self.params, reason=self._reason.value.strip())


class StartDialog(_ParamsDialog):
    """A new job: its type, its queue, its parameters."""

    def __init__(
        self, types: Sequence[str], *, queue: str = "default", glyphs: GlyphSet = DRAWN
    ) -> None:
        super().__init__("Start a job", "{}", glyphs=glyphs)
        self._types = list(types)
        self._type = LineInput(
            placeholder=f"type, for example {', '.join(self._types[:4]) or 'noop'}",
            suggester=SuggestFromList(self._types, case_sensitive=False),
            max_length=MAX_NAME,
            id="type",
        )
        self._queue = LineInput(queue, placeholder="queue", max_length=MAX_NAME, id="queue")

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog boxed"):
            yield self._head
            yield _label("type")
            yield self._type
            yield _label("queue")
            yield self._queue
            yield _label("params")
            yield self._params
            yield self._foot

    @property
    def problem(self) -> str:
        if not self._type.value.strip():
            return "which type?"
        return super().problem

    def on_input_changed(self, event: Input.Changed) -> None:
        self._judge()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        event.input.value = event.value  # without what was typed after enter
        self.action_submit()

    def result(self) -> SubmitRequest:
        return SubmitRequest(
            type=self._type.value.strip(),
            queue=self._queue.value.strip() or "default",
            params=msgspec.Raw(self.params.encode()),
        )

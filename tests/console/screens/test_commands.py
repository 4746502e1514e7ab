"""What may be typed after a colon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from traffic_tui.screens.commands import CommandError, parse, saved_filter

if TYPE_CHECKING:
    from traffic_tui.actions import Scope


@pytest.mark.parametrize(
    ("text", "scope", "action", "argument"),
    [
        ("52118", "jobs", "go_job", "52118"),
        ("52118", "output", "go_job", "52118"),
        ("0192a7c4", "runners", "go_job", "0192a7c4"),
        ("jobs", "runners", "go_jobs", ""),
        ("jobs  state:failed age>2h", "jobs", "go_jobs", "state:failed age>2h"),
        (" priority 5 ", "jobs", "priority", "5"),
        ("50%", "output", "place", "50%"),
        ("14:05", "output", "place", "14:05"),
        ("offset 812", "job", "place", "812"),
        ("why", "runners", "explain_runner", ""),
        ("why", "job", "explain", ""),
    ],
)
def test_commands(text: str, scope: Scope, action: str, argument: str) -> None:
    command = parse(text, scope)
    assert (command.action.id, command.argument) == (action, argument)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("runers", ":runers is not known here; did you mean :runners?"),
        ("xyzzy", ":xyzzy is not known here; ? shows what there is"),
        ("priority", ":priority wants NUMBER"),
        ("repaint now", ":repaint takes nothing after it"),
        ("14:05", ":14:05 is not known here"),
        ("", ": is not known here"),
    ],
)
def test_what_is_no_command_is_told(text: str, words: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse(text, "jobs")
    assert words in str(caught.value)


def test_read_only_refuses_by_name() -> None:
    with pytest.raises(CommandError, match="read-only"):
        parse("stop", "jobs", read_only=True)


def test_saved_filters() -> None:
    saved = {"bad": "state:failed age<2h"}
    assert saved_filter("@bad", saved) == "state:failed age<2h"
    assert saved_filter("state:failed", saved) == "state:failed"
    with pytest.raises(CommandError, match="known: @bad"):
        saved_filter("@good", saved)

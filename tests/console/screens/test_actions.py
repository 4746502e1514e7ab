"""The registry: one truth for keys, footer, help, palette, commands and docs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from traffic_tui import actions
from traffic_tui.actions import ACTIONS, SCOPES, Scope
from traffic_tui.keymap import DEFAULT_KEYMAP, FORBIDDEN_KEYS, build_keymap

DOCS = Path(__file__).parents[3] / "docs" / "keys.md"
FLOW_CONTROL = {"ctrl+s", "ctrl+q", "ctrl+z", "ctrl+m", "ctrl+i", "ctrl+h"}


def test_docs_say_what_the_registry_says() -> None:
    assert DOCS.read_text(encoding="utf-8") == actions.keys_markdown(), (
        "run: python -m traffic_tui.actions > docs/keys.md"
    )


def test_the_registry_prints_the_docs() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "traffic_tui.actions"], capture_output=True, check=True, text=True
    )
    assert printed.stdout == actions.keys_markdown()


def test_the_registry_does_not_need_a_terminal_library() -> None:
    code = "import sys, traffic_tui.actions, traffic_tui.keymap; print('textual' in sys.modules)"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert printed.stdout == "False\n"


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_means_one_thing_on_a_screen(scope: Scope) -> None:
    owners: dict[str, str] = {}
    for action in actions.available(scope):
        for key in action.keys:
            assert owners.setdefault(key, action.id) == action.id, (scope, key)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_command_means_one_thing_on_a_screen(scope: Scope) -> None:
    words = actions.commands(scope)
    assert sorted(words) == sorted(set(words))


def test_no_action_depends_on_a_key_that_terminals_keep_for_themselves() -> None:
    for action in ACTIONS:
        assert not set(action.keys) & FORBIDDEN_KEYS, action.id
        others = set(action.keys) - FLOW_CONTROL
        assert others or action.command or not action.keys, action.id


@pytest.mark.parametrize("scope", SCOPES)
def test_read_only_drops_what_changes_things_and_nothing_else(scope: Scope) -> None:
    everything = actions.available(scope)
    kept = actions.available(scope, read_only=True)
    assert [a for a in everything if not a.is_mutation] == kept


def test_dangerous_actions_are_mutations_and_say_how_to_undo() -> None:
    for action in ACTIONS:
        if action.danger != "none":
            assert action.is_mutation, action.id
        if action.is_mutation:
            assert action.undo, action.id


def test_the_footer_follows_the_keymap() -> None:
    keymap, problems = build_keymap({"stop": ["ctrl+k"]})
    assert problems == []
    told = [hint[1:] for hint in actions.footer(actions.available("jobs"), keymap.keys_of)]
    assert told[0] == ("enter", "open")
    assert ("ctrl+k", "stop") in told
    assert not any(words == "stop" and key == "s" for key, words in told)


def test_keys_that_share_a_place_stand_together_in_the_footer() -> None:
    told = actions.footer(actions.available("job"), DEFAULT_KEYMAP.keys_of)
    assert ("[ ]", "try") in [hint[1:] for hint in told]


def test_ids_are_words() -> None:
    assert all(re.fullmatch(r"[a-z][a-z_0-9]*", action_id) for action_id in actions.action_ids())

"""Which key does what, after the operator's own wishes.

Wishes come from ``[keys]`` in the console's file, by action id. What cannot be granted is
reported in words and leaves the default in place: a typing mistake never costs a key.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from traffic_tui import actions
from traffic_tui.actions import ACTIONS, SCOPE_WORDS, Action, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORBIDDEN_KEYS = frozenset({"ctrl+a", "ctrl+b"})
"""Owned by screen and tmux, so never bound."""
FIXED_ACTIONS = frozenset({"back"})
"""Without escape nobody gets out of a dialog."""


@dataclass(frozen=True, slots=True)
class Keymap:
    """The keys of every action, by its id."""

    wishes: Mapping[str, tuple[str, ...]]
    """What the operator changed and could have."""

    def keys_of(self, action: Action) -> tuple[str, ...]:
        """The keys that do it."""
        return self.wishes.get(action.id, action.keys)

    def keys(self, action_id: str, scope: Scope) -> tuple[str, ...]:
        """The keys of an action by its id; none where the screen does not have it."""
        action = actions.find(action_id, scope)
        return self.keys_of(action) if action else ()


DEFAULT_KEYMAP = Keymap({})


def build_keymap(wishes: Mapping[str, Sequence[str]]) -> tuple[Keymap, list[str]]:
    """The keymap, and what could not be granted, in words."""
    problems: list[str] = []
    granted: dict[str, tuple[str, ...]] = {}
    for action_id, keys in wishes.items():
        problem = _problem(action_id, keys)
        if problem:
            problems.append(problem)
        else:
            granted[action_id] = tuple(keys)
    while clash := _first_clash(Keymap(granted)):
        wisher, words = clash
        problems.append(words)
        del granted[wisher]
    return Keymap(granted), problems


def _problem(action_id: str, keys: Sequence[str]) -> str:
    known = actions.action_ids()
    if action_id not in known:
        near = difflib.get_close_matches(action_id, known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"keys.{action_id}: there is no such action{hint}"
    if action_id in FIXED_ACTIONS:
        return f"keys.{action_id}: this one cannot be changed"
    taken = [key for key in keys if key in FORBIDDEN_KEYS]
    if taken:
        return f"keys.{action_id}: {taken[0]} belongs to screen and tmux"
    return ""


def _first_clash(keymap: Keymap) -> tuple[str, str] | None:
    """A wish that takes a key from another action of the same screen, and the words for it."""
    for scope, words in SCOPE_WORDS.items():
        owners: dict[str, str] = {}
        for action in ACTIONS:
            if scope not in action.scope:
                continue
            for key in keymap.keys_of(action):
                other = owners.setdefault(key, action.id)
                if other == action.id:
                    continue
                wisher = action.id if action.id in keymap.wishes else other
                loser = other if wisher == action.id else action.id
                return wisher, (
                    f"keys.{wisher}: {key} already means {loser} on {words}; the default stays"
                )
    return None

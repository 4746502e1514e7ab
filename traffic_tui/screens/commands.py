"""What was typed after ``:``, taken apart. The words come from the registry."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, NamedTuple

from traffic_tui import actions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from traffic_tui.actions import Action, Scope

_JOB = re.compile(r"\d+|[0-9a-f]{6,8}(-[0-9a-f-]*)?", re.IGNORECASE)
_PLACE = re.compile(r"\d{1,2}:\d{2}(:\d{2})?|\d{1,3}%")


class CommandError(Exception):
    """What was typed is no command; the message says what would be."""


class Command(NamedTuple):
    """An action and what followed its word."""

    action: Action
    argument: str


def parse(text: str, scope: Scope, *, read_only: bool = False) -> Command:
    """The command in ``text``, as it is meant on a screen."""
    word, _, argument = text.strip().partition(" ")
    argument = argument.strip()
    if not argument and (short := _short_form(word, scope)):
        return short
    action = actions.by_command(word, scope, read_only=read_only)
    if action is None:
        raise CommandError(_unknown(word, scope, read_only))
    if argument and not action.takes:
        raise CommandError(f":{word} takes nothing after it")
    if not argument and action.takes and not action.takes.startswith("["):
        raise CommandError(f":{word} wants {action.takes}")
    return Command(action, argument)


def _short_form(word: str, scope: Scope) -> Command | None:
    """A job's number, or a place in output, needs no word before it."""
    place = actions.find("place", scope)
    if place is not None and _PLACE.fullmatch(word):
        return Command(place, word)
    go_job = actions.find("go_job", scope)
    if go_job is not None and _JOB.fullmatch(word):
        return Command(go_job, word)
    return None


def _unknown(word: str, scope: Scope, read_only: bool) -> str:
    if read_only and actions.by_command(word, scope):
        return f":{word} changes something, and this console is read-only"
    near = difflib.get_close_matches(word, actions.commands(scope), n=1)
    hint = f"; did you mean :{near[0]}?" if near else "; ? shows what there is"
    return f":{word} is not known here{hint}"


def suggestions(text: str, scope: Scope, *, read_only: bool = False) -> list[str]:
    """What a beginning could become, the shortest first."""
    words = [w for w in actions.commands(scope, read_only=read_only) if w.startswith(text)]
    return sorted(words, key=lambda word: (len(word), word))


def saved_filter(text: str, saved: Mapping[str, str]) -> str:
    """``@NAME`` replaced by the filter saved under it."""
    if not text.startswith("@"):
        return text
    name = text[1:]
    if name not in saved:
        known = ", ".join(f"@{one}" for one in saved) or "none is saved in console.toml"
        raise CommandError(f"@{name}: no such filter; known: {known}")
    return saved[name]


def whole_number(text: str) -> int | None:
    """The number an argument says; None: it says none."""
    try:
        return int(text)
    except ValueError:
        return None

"""Keys of ``[protocols.workernator.users.NAME]``: how far each call of a user reaches."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, get_args

from server.configuration.keys import Key
from server.configuration.kinds import Choice
from server.settings import Scope, WorkernatorUser

if TYPE_CHECKING:
    from collections.abc import Iterator

USER_KEYS = tuple(
    Key(field.name, field.name, Choice(get_args(Scope)), "") for field in fields(WorkernatorUser)
)
EXAMPLE_USER = ("alice", WorkernatorUser("own", "own", "own", "own"))
MAX_NAME = 128
"""Longest locality of a certificate, where a user's name stands."""


def check_user(name: str, user: WorkernatorUser) -> Iterator[tuple[str, str]]:
    """What is wrong with a user's name."""
    if len(name) > MAX_NAME:
        yield "", f"names of users have at most {MAX_NAME} characters: a certificate holds no more"

"""Finding the coordinator, talking to it, and what its errors mean for the exit code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from traffic_tui.cli.failures import (
    EXIT_FAILED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    CommandFailed,
)
from traffic_tui.client.base import ClientError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from server.model import Role
    from traffic_tui.cli.options import Where
    from traffic_tui.client.base import Client

T = TypeVar("T")
ONLY_JOB = "job 0: "
"""How errors name the first job of a submit; commands submit one at a time."""
ABOUT_KEYS = "name one that is good with --key-file or TRAFFIC_TUI_KEY"
"""What the coordinator cannot know of whom it does not let in."""


class Connection:
    """The way to one coordinator, taken only when something is first asked of it.

    So what was typed is looked at before anybody is called, and wrong usage is told as such even
    where no coordinator runs.
    """

    def __init__(self, where: Where, role: Role = "operator") -> None:
        self.where = where
        self._role = role
        self._client: Client | None = None

    @property
    def is_workernator(self) -> bool:
        """Whether a Workernator server was named, which knows a few calls about jobs alone."""
        return bool(self.where.url and self.where.url.startswith("grpcs:"))

    @property
    def client(self) -> Client:
        """The client, found at first use.

        Raises:
            ClientError: no coordinator is named and none runs here, or a named file is no good.
        """
        if self._client is None:
            self._client = find_client(self.where, role=self._role)
        return self._client

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


def talk(connection: Connection, conversation: Coroutine[Any, Any, T]) -> T:
    """Run ``conversation``, which uses ``connection``, with client errors as exit codes."""
    return asyncio.run(_talk(connection, conversation))


async def _talk(connection: Connection, conversation: Coroutine[Any, Any, T]) -> T:
    try:
        return await conversation
    except ClientError as error:
        raise failure_of(error) from error
    finally:
        await connection.close()


def failure_of(error: ClientError) -> CommandFailed:
    """A client's error as the end of a command."""
    if isinstance(error, Unreachable):
        return CommandFailed(error.message, exit_code=EXIT_UNREACHABLE)
    if error.code == "invalid_filter":
        return CommandFailed(f"{error.message}{_place(error.details)}", exit_code=EXIT_USAGE)
    if error.code == "bad_url":
        return CommandFailed(error.message, exit_code=EXIT_USAGE)
    words = error.message.removeprefix(ONLY_JOB)
    if error.code == "unauthenticated":
        words += f"; {ABOUT_KEYS}"
    return CommandFailed(words, exit_code=EXIT_FAILED)


def _place(details: Any) -> str:
    """Where in a filter something is wrong, counted as people do."""
    if isinstance(details, dict) and isinstance(details.get("position"), int):
        return f" (at character {details['position'] + 1})"
    return ""


def find_client(where: Where, *, role: Role = "operator", is_read_only: bool = False) -> Client:
    """The client for the coordinator that flags, variables or the discovery file name.

    Raises:
        ClientError: none is named and none runs here, or what was named cannot be used.
    """
    from traffic_tui.client.locate import connect_client, locate

    if where.url and where.url.startswith("grpcs:"):
        raise ClientError(
            "a Workernator server knows jobs start, status, tail and stop alone; for all else name "
            "the coordinator's http:// or https:// URL",
            code="bad_url",
            status=0,
        )
    located = locate(
        url=where.url,
        key_file=where.key_file,
        ca=where.ca,
        data_dir=where.data_dir,
        certificate=where.certificate,
        certificate_key=where.certificate_key,
        role="read-only" if is_read_only else role,
    )
    return connect_client(located, is_read_only=is_read_only)

"""Finding the coordinator, talking to it, and what its errors mean for the exit code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from traffic_tui.cli.failures import EXIT_FAILED, EXIT_UNREACHABLE, CommandFailed
from traffic_tui.client.base import ClientError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from server.model import Role
    from traffic_tui.cli.options import Where
    from traffic_tui.client.base import Client

T = TypeVar("T")


def talk(
    where: Where, body: Callable[[Client], Coroutine[Any, Any, T]], *, role: Role = "operator"
) -> T:
    """Run ``body`` against the coordinator that ``where`` names, with its errors as exit codes.

    Args:
        role: which of this user's own keys to show, where no other one is named.
    """
    return asyncio.run(_talk(where, body, role))


async def _talk(where: Where, body: Callable[[Client], Coroutine[Any, Any, T]], role: Role) -> T:
    try:
        client = find_client(where, role=role)
        await client.connect()
        try:
            return await body(client)
        finally:
            await client.close()
    except ClientError as error:
        raise failure_of(error) from error


def failure_of(error: ClientError) -> CommandFailed:
    """A client's error as the end of a command."""
    code = EXIT_UNREACHABLE if isinstance(error, Unreachable) else EXIT_FAILED
    return CommandFailed(error.message, exit_code=code)


def find_client(where: Where, *, role: Role = "operator", is_read_only: bool = False) -> Client:
    """The client for the coordinator that flags, variables or the discovery file name.

    Raises:
        ClientError: none is named and none runs here, or what was named cannot be used.
    """
    from traffic_tui.client.locate import connect_client, locate

    located = locate(
        url=where.url,
        key_file=where.key_file,
        ca=where.ca,
        data_dir=where.data_dir,
        role="read-only" if is_read_only else role,
    )
    return connect_client(located, is_read_only=is_read_only)

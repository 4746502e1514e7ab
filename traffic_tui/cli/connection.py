"""Finding the coordinator, talking to it, and what its errors mean for the exit code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from traffic_tui.cli.failures import EXIT_FAILED, EXIT_UNREACHABLE, CommandFailed
from traffic_tui.client.base import ClientError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from traffic_tui.cli.options import Where
    from traffic_tui.client.base import Client

T = TypeVar("T")


def talk(where: Where, body: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    """Run ``body`` against the coordinator that ``where`` names, with its errors as exit codes."""
    return asyncio.run(_talk(where, body))


async def _talk(where: Where, body: Callable[[Client], Coroutine[Any, Any, T]]) -> T:
    client = find_client(where)
    try:
        await client.connect()
        return await body(client)
    except ClientError as error:
        raise failure_of(error) from error
    finally:
        await client.close()


def failure_of(error: ClientError) -> CommandFailed:
    """A client's error as the end of a command."""
    code = EXIT_UNREACHABLE if isinstance(error, Unreachable) else EXIT_FAILED
    return CommandFailed(error.message, exit_code=code)


def find_client(where: Where) -> Client:
    """The client for the coordinator that flags, variables or the discovery file name."""
    raise NotImplementedError

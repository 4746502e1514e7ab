"""Which port each process of a pool listens on: the first and those after it, or any free one."""

from __future__ import annotations

import socket
from itertools import repeat
from typing import TYPE_CHECKING

from server.wire.rrq_address import MAX_PORT, Address

if TYPE_CHECKING:
    from collections.abc import Iterator


ANY_TRIES = 5
"""Any free port may be one that another process of the pool was just given and is about to use."""


class PortBusy(Exception):
    """Every port that was tried is taken; the text names them."""


class PortPlan:
    """The ports of one pool. A process keeps its own as long as that is free when it starts.

    Args:
        first: where the first process listens; port 0: wherever there is room.
    """

    def __init__(self, first: Address, pool_size: int) -> None:
        self._host = "127.0.0.1" if first.host == "localhost" else first.host
        self._first = first.port
        self._pool_size = pool_size
        self._held: dict[int, int] = {}
        """Index of a process -> its port."""

    def choose(self, index: int) -> Address:
        """A port for a process that is about to start.

        Raises:
            PortBusy: somebody else has all of them.
        """
        others = {port for holder, port in self._held.items() if holder != index}
        tried = []
        for port in self._candidates(index):
            tried.append(port)
            free = free_port(self._host, port)
            if free and free not in others:
                self._held[index] = free
                return Address(self._host, free)
        raise PortBusy(
            f"port {tried[0]}"
            + (f" and {len(tried) - 1} others are" if tried[1:] else " is")
            + " taken by another program"
        )

    def _candidates(self, index: int) -> Iterator[int]:
        """Its old port, its own by the plan, then those behind the pool's."""
        if not self._first:
            yield self._held.get(index, 0)
            yield from repeat(0, ANY_TRIES)
            return
        planned = self._first + index
        yield planned
        behind = range(self._first + self._pool_size, self._first + 2 * self._pool_size)
        yield from (port for port in behind if port <= MAX_PORT)


def free_port(host: str, port: int) -> int:
    """The port, or for 0 one that is free; 0: it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])

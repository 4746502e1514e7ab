"""Ports that stay free for those they were given to, though somebody listens only later.

Many programs choose free ports at the same time as the tests run: the system may give a port that
was merely looked up to any of them.
"""

from __future__ import annotations

import socket
import sys
from collections import deque

MAX_HELD = 64
"""More than a test has at one time with nobody listening on them."""

_held: deque[socket.socket] = deque()


def free_port() -> int:
    """A port of 127.0.0.1 to listen on; until then a connection to it is refused."""
    return first_of_free_ports(1)


def first_of_free_ports(count: int) -> int:
    """The first of some ports side by side, each like that of :func:`free_port`."""
    while True:
        bound = [_bound(0)]
        first = int(bound[0].getsockname()[1])
        try:
            bound.extend(_bound(port) for port in range(first + 1, first + count))
        except (OSError, OverflowError):  # somebody has one of those behind it
            for one in bound:
                one.close()
            continue
        for one in bound:
            _hold(one)
        return first


def _bound(port: int) -> socket.socket:
    made = socket.socket()
    try:
        made.bind(("127.0.0.1", port))  # not to be shared with another test that holds it
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except BaseException:
        made.close()
        raise
    return made


def _hold(bound: socket.socket) -> None:
    """Keep it bound. Linux gives its port to nobody then who asks for any port, but to everybody
    who asks for that one with ``SO_REUSEADDR``, as servers do; elsewhere they would be refused."""
    if sys.platform == "linux":
        _held.append(bound)
    else:
        bound.close()
    while len(_held) > MAX_HELD:
        _held.popleft().close()

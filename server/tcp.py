"""What the kernel is to do about peers that went away without a word."""

from __future__ import annotations

import socket

KEEP_ALIVE_SECONDS = 15
"""After so much silence a peer on another box is asked whether it is still there."""
KEEP_ALIVE_PROBES = 3


def keep_alive(connection: socket.socket) -> None:
    """Have a connection end some 30 s after its peer is gone, though nothing is sent over it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEP_ALIVE_SECONDS),
        ("TCP_KEEPINTVL", KEEP_ALIVE_SECONDS // 3),
        ("TCP_KEEPCNT", KEEP_ALIVE_PROBES),
    ):
        if hasattr(socket, name):  # named otherwise, or missing, on other systems
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

"""Where an RRQ runner listens: ``HOST:PORT``, on this box only.

The protocol knows no keys, so whoever can connect can run every handler.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, NamedTuple

from server.wire.rrq import ENV_RUNNER_TCP_SOCKET
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

OPTION = "--tcp-socket"
"""What orchestrators append to a runner's command line."""
MAX_PORT = 65_535
MAX_PORT_DIGITS = 5


class TcpSocket(NamedTuple):
    """An address of this box, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_tcp_socket(text: str) -> TcpSocket:
    """``127.0.0.1:9000``, ``localhost:9000`` or ``[::1]:9000``.

    Raises:
        ValueError: it is none, or not on this box; in words.
    """
    host, port = _host_and_port(text.strip())
    return TcpSocket(_loopback(host), _port(port))


def check_loopback(address: TcpSocket) -> TcpSocket:
    """The address, if it is one of this box. Port 0 stands for any free one.

    Raises:
        ValueError: it is not, in words.
    """
    host, port = address
    if not 0 <= port <= MAX_PORT:
        raise ValueError(f"there is no port {port}; a port is a number from 1 to {MAX_PORT}")
    return TcpSocket(_loopback(host), port)


def told_tcp_socket(arguments: Sequence[str], *, has_default: bool = False) -> TcpSocket | None:
    """Where whoever started this program told it to listen; None: they did not.

    Current orchestrators append ``--tcp-socket`` to the command line, those before RRQ 0.9.15 set
    an environment variable, which may have been inherited and so does not replace a default.

    Raises:
        ValueError: what they told is no address.
    """
    for place, argument in enumerate(arguments):
        if argument.startswith(f"{OPTION}="):
            return parse_tcp_socket(argument.removeprefix(f"{OPTION}="))
        if argument == OPTION:
            if place + 1 == len(arguments):
                raise ValueError(f"{OPTION} has to be followed by an address: 127.0.0.1:9000")
            return parse_tcp_socket(arguments[place + 1])
    told = "" if has_default else os.environ.get(ENV_RUNNER_TCP_SOCKET, "")
    return parse_tcp_socket(told) if told else None


def _host_and_port(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, separator, port = text[1:].partition("]:")
    else:
        host, separator, port = text.rpartition(":")
    if not separator or not host:
        raise ValueError(
            f"{plain(text, 80)!r} is no address; it looks like 127.0.0.1:9000 or [::1]:9000"
        )
    return host, port


def _loopback(host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ip_address(host)
    except ValueError:
        raise ValueError(
            f"{plain(host, 80)!r} is no address of this box; 127.0.0.1, [::1] and localhost are"
        ) from None
    if not _is_loopback(address):
        raise ValueError(
            f"{address} can be reached from elsewhere, and the protocol knows no keys; "
            "listen on 127.0.0.1 or [::1]"
        )
    return str(address)


def _is_loopback(address: IPv4Address | IPv6Address) -> bool:
    """Of IPv6 only ``::1`` itself: no zone, and no IPv4 address in disguise."""
    if isinstance(address, IPv6Address):
        return address == IPv6Address("::1")
    return address.is_loopback


def _port(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_PORT_DIGITS
    if not is_number or not 1 <= int(text) <= MAX_PORT:
        raise ValueError(f"{plain(text, 20)!r} is no port; a port is a number from 1 to {MAX_PORT}")
    return int(text)

"""Where a runner that is brought its work listens: ``HOST:PORT``."""

from __future__ import annotations

from ipaddress import ip_address
from typing import NamedTuple

from traffic_tui.runner.words import plain

OPTION = "--listen"
MAX_PORT = 65_535


class ListenAddress(NamedTuple):
    """An address of this box, and a port; 0: any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return ip_address(self.host).is_loopback


def parse_listen(text: str) -> ListenAddress:
    """``0.0.0.0:3000``, ``10.3.12.7:3000``, ``localhost:3000`` or ``[::]:3000``.

    Raises:
        ValueError: it is none, in words.
    """
    host, separator, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    address = _address(host) if separator else ""
    if not address:
        raise ValueError(
            f"{plain(text, 80)!r} is no address of this box; it looks like 0.0.0.0:3000 "
            "or [::]:3000"
        )
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= MAX_PORT):
        raise ValueError(f"{plain(port, 20)!r} is no port; a port is a number up to {MAX_PORT}")
    return ListenAddress(address, int(port))


def _address(host: str) -> str:
    """Digits, so that nobody is asked what a name stands for today; empty: it is no address."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(host))
    except ValueError:
        return ""

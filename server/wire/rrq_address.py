"""Where an RRQ runner listens: a host and a port, as both sides write them."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

MAX_PORT = 65_535
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?\.?")


class Address(NamedTuple):
    """A host and a port. ``str`` gives what :func:`read_address` reads."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str) -> Address:
    """``HOST:PORT`` or ``[IPv6]:PORT``, with port 0 for any free one.

    Raises:
        ValueError: in words that finish the sentence "KEY: ...".
    """
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = _version_6(host[1:-1])
    elif ":" in host:
        raise ValueError("has to have an IPv6 address in brackets, such as [::1]:9000")
    elif not colon or not _HOST_NAME.fullmatch(host):
        raise ValueError('has to be a host and a port, such as "127.0.0.1:9000"')
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= MAX_PORT):
        raise ValueError(f"has to end with a port from 0 to {MAX_PORT}")
    return Address(host, int(port))


def _version_6(host: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise ValueError("has to have an IPv6 address in the brackets") from None

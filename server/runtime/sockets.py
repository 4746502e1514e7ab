"""Binding the port before anything else is started, so that a taken one is said in words."""

from __future__ import annotations

import errno
import ipaddress
import socket
from typing import TYPE_CHECKING

from server.discovery import answers
from server.runtime.problems import RuntimeProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.settings import ServerSettings

EVERYWHERE_IPV6 = "::"


def bind_sockets(host: str, port: int) -> list[socket.socket]:
    """A bound socket for each address of ``host``, all on one port.

    Raises:
        RuntimeProblem: the address or the port cannot be had.
    """
    bound: list[socket.socket] = []
    try:
        for family, address in _addresses(host):
            wanted = bound[0].getsockname()[1] if bound else port
            try:
                bound.append(_bind(family, address, wanted))
            except OSError as error:
                # A name may stand for an address of a family that this box does not have.
                if not (bound and error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)):
                    raise
    except OSError as error:
        for opened in bound:
            opened.close()
        raise RuntimeProblem(_words(error, host, port)) from error
    return bound


def _addresses(host: str) -> list[tuple[int, str]]:
    """Families and addresses without repetition, IPv4 first."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    unique = dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found)
    return sorted(unique, key=lambda entry: entry[0] != socket.AF_INET)


def _bind(family: int, address: str, port: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections have it from here. Without, what follows a small piece waits for its
        # acknowledgement, 40 ms: uvloop sees to that, asyncio not with sockets made like this one.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            only_ipv6 = 0 if address == EVERYWHERE_IPV6 else 1
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_ipv6)
        opened.setblocking(False)
        opened.bind((address, port))
        opened.listen(2048)  # here, as a port bound by two is only found out now
    except BaseException:
        opened.close()
        raise
    return opened


def _words(error: OSError, host: str, port: int) -> str:
    place = f"{bracketed(host)}:{port}"
    if isinstance(error, socket.gaierror):
        return f"server.host: {host!r} is no address of this box ({error.strerror})"
    if error.errno == errno.EADDRINUSE:
        return _taken_words(host, port)
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{place} may not be listened on by this user; choose a port of 1024 or more with "
            "--port or server.port"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            f"this box has no address {host}; name one it has, or 127.0.0.1, with --host or "
            "server.host"
        )
    return f"{place} cannot be listened on: {error.strerror}"


def _taken_words(host: str, port: int) -> str:
    url = reachable_url("http", host, port)
    choice = "choose another port with --port or server.port (0 takes any free one)"
    if answers(url, within_seconds=1.0):
        return (
            f"port {port} is taken by a coordinator that runs already: open it with "
            f"`traffic-tui attach {url}`, or {choice}"
        )
    return (
        f"port {port} on {host} is taken by another program: see which with "
        f"`ss -ltnp 'sport = :{port}'` and stop it, or {choice}"
    )


def bracketed(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def plain_url(scheme: str, host: str, port: int) -> str:
    """The URL of what listens on ``host``, as it was asked for."""
    return f"{scheme}://{bracketed(host)}:{port}"


def reachable_url(scheme: str, host: str, port: int) -> str:
    """The URL under which programs of this box reach what listens on ``host``."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  both mean everywhere
    return plain_url(scheme, here, port)


def is_loopback(sockets: Sequence[socket.socket]) -> bool:
    """Whether nobody outside this box can connect."""
    return all(ipaddress.ip_address(bound.getsockname()[0]).is_loopback for bound in sockets)


def exposure_warnings(server: ServerSettings, sockets: Sequence[socket.socket]) -> list[str]:
    """What to warn of when the coordinator can be reached from other boxes."""
    if is_loopback(sockets) or server.tls.certificate:
        return []
    return [
        f"{bracketed(server.host)} can be reached from other boxes, and without TLS whoever is on "
        "the way can read keys, jobs and their output; set certificate and key under "
        "[server.tls], or keep to 127.0.0.1"
    ]

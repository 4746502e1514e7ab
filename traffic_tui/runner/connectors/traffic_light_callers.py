"""Who may bring jobs: the coordinator, by the addresses its name stands for.

The protocol knows no keys, so whoever reaches the port could otherwise start jobs here.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from urllib.parse import urlsplit

from traffic_tui.runner.words import plain

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 30.0
"""A name may stand for other addresses after a while; it is not asked for with every call."""


class Callers:
    """The addresses of a coordinator."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url).hostname or ""
        self._known: frozenset[str] = frozenset()
        self._looked_at = float("-inf")

    async def admit(self, address: str) -> bool:
        """Whether a call from there is one of the coordinator."""
        caller = _plain_address(address)
        if caller not in self._known and self._may_look():
            await self._look()
        is_admitted = caller in self._known
        if not is_admitted:
            log.warning(
                "a call from %s was refused: the coordinator %s is at %s; name it by the address "
                "it calls from",
                plain(address, 60),
                self._host,
                ", ".join(sorted(self._known)) or "no address that is known",
            )
        return is_admitted

    def _may_look(self) -> bool:
        return asyncio.get_running_loop().time() - self._looked_at >= LOOK_AGAIN_SECONDS

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._looked_at = loop.time()
        try:
            found = await loop.getaddrinfo(self._host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            log.warning("the coordinator's name %s cannot be looked up: %s", self._host, error)
            return
        self._known = frozenset(_plain_address(str(entry[4][0])) for entry in found)
        if any(ipaddress.ip_address(known).is_loopback for known in self._known if known):
            self._known |= {"127.0.0.1", "::1"}


def _plain_address(address: str) -> str:
    """In its shortest form; one of IPv4 in the clothes of IPv6 is the one of IPv4."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip)

"""Where runners are: who is admitted, and which URL is called.

There is no key on this protocol. A runner is who it is by the address its connection comes from,
and nothing but an admitted address, written as digits, is ever called.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from server.errors import Forbidden, InvalidInput

if TYPE_CHECKING:
    from server.model import Runner
    from server.settings import NativeV1Settings

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL = 500
_PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """Where a runner's webhook is."""

    address: str
    port: int

    @property
    def identity(self) -> str:
        """What tells the runner from others."""
        return f"{in_url(self.address)}:{self.port}"


def admitted(address: str, settings: NativeV1Settings) -> str:
    """The address of a caller, in its shortest form.

    Raises:
        Forbidden: it is in none of the admitted networks.
    """
    ip = _parsed(address)
    if ip is None or not _is_allowed(ip, settings):
        raise Forbidden(
            f"the address {address[:60] or '(none)'} is not admitted: the coordinator's "
            "configuration lists networks under protocols.native-v1.allow"
        )
    return str(ip)


def place_of(runner: Runner) -> Place:
    """The place of a known runner: its identity."""
    return Place(runner.address, int(runner.identity.rpartition(":")[2]))


def webhook_url(runner: Runner, settings: NativeV1Settings) -> str:
    """What is called to give a runner work.

    Raises:
        Forbidden: its address is not admitted (any more).
    """
    place = place_of(runner)
    address = admitted(place.address, settings)
    return runner.endpoint or settings.webhook.format(ip=in_url(address), port=place.port)


def callback_place(url: str, address: str) -> Place:
    """The place of a webhook that a runner names itself.

    Raises:
        InvalidInput: it is anywhere but at the runner's own address.
    """
    if len(url) > MAX_URL or not (url.isascii() and url.isprintable()) or " " in url:
        raise InvalidInput(f"callback_url has to be a plain URL of at most {MAX_URL} characters")
    try:
        parts = urlsplit(url)
        host, port = _parsed(parts.hostname or ""), parts.port
    except ValueError:
        raise InvalidInput("callback_url is no URL") from None
    if parts.scheme not in _PORTS or parts.username is not None or "\\" in url:
        raise InvalidInput("callback_url has to begin with http://ADDRESS or https://ADDRESS")
    if host is None or str(host) != address:
        raise InvalidInput(
            f"callback_url has to name the address the hello comes from, {address}: "
            "work is brought nowhere else"
        )
    if port == 0:
        raise InvalidInput("callback_url names the port 0")
    return Place(address, port or _PORTS[parts.scheme])


def in_url(address: str) -> str:
    """An address as URLs write it."""
    return f"[{address}]" if ":" in address else address


def _parsed(address: str) -> IpAddress | None:
    """An address in digits; one of IPv4 in the clothes of IPv6 is the one of IPv4."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id is not None:
            return None
        return ip.ipv4_mapped or ip
    return ip


def _is_allowed(ip: IpAddress, settings: NativeV1Settings) -> bool:
    return any(ip.version == network.version and ip in network for network in settings.allow)

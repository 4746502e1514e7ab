"""Networks and webhook addresses, as the configuration names them."""

from __future__ import annotations

import ipaddress
import string
from dataclasses import dataclass
from urllib.parse import urlsplit

from server.configuration.kinds import shown

_MAX_NETWORKS = 1_000
_SAMPLE_ADDRESS = "192.0.2.1"
_FIELDS = frozenset({"ip", "port"})


@dataclass(frozen=True, slots=True)
class Networks:
    """A list of addresses and networks."""

    def read(self, value: object) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        if not isinstance(value, list) or len(value) > _MAX_NETWORKS:
            raise ValueError('has to be a list of networks, such as ["127.0.0.0/8", "::1/128"]')
        return tuple(_network(entry) for entry in value)

    def write(
        self, setting: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    ) -> list[str]:
        return [str(network) for network in setting]


def _network(entry: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        if not isinstance(entry, str):
            raise ValueError("not a text")
        return ipaddress.ip_network(entry)
    except ValueError as error:
        hint = "; the bits after the prefix have to be 0" if "host bits" in str(error) else ""
        raise ValueError(f"{shown(entry)} is no network such as 10.3.0.0/16{hint}") from None


@dataclass(frozen=True, slots=True)
class WebhookTemplate:
    """The URL of a runner's webhook, with ``{ip}`` as its host and ``{port}`` where wanted."""

    def read(self, value: object) -> str:
        if not isinstance(value, str) or len(value) > 1000 or not value.isprintable():
            raise ValueError(f"has to be one line of text in quotes, not {shown(value)}")
        if not _is_webhook(value):
            raise ValueError(
                "has to be a URL whose host is {ip}, such as http://{ip}:{port}/path, "
                f"not {shown(value)}"
            )
        return value

    def write(self, setting: str) -> str:
        return setting


def _is_webhook(template: str) -> bool:
    """Whether the host can be nothing but a runner's own address."""
    try:
        parts = list(string.Formatter().parse(template))
        fields = {name for _, name, _, _ in parts if name is not None}
        if not fields <= _FIELDS or any(spec or conversion for _, _, spec, conversion in parts):
            return False
        url = urlsplit(template.format(ip=_SAMPLE_ADDRESS, port=3000))
        is_addressed = url.hostname == _SAMPLE_ADDRESS and url.username is None and url.port != 0
        return is_addressed and url.scheme in ("http", "https")
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class TypeNames:
    """A list of job types."""

    def read(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(_is_name(entry) for entry in value):
            raise ValueError('has to be a list of job types, such as ["range"]')
        return tuple(dict.fromkeys(value))

    def write(self, setting: tuple[str, ...]) -> list[str]:
        return list(setting)


def _is_name(entry: object) -> bool:
    return isinstance(entry, str) and 0 < len(entry) <= 200 and entry.isprintable()

"""Keys of ``[protocols.rrq.runners.NAME]``, and what they say together."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from server.configuration.keys import Key
from server.configuration.kinds import Choice, Duration, Integer, Text, text_map
from server.configuration.secrets import looks_like_a_secret
from server.settings import RrqGroupSettings
from server.wire.rrq import MAX_IN_FLIGHT
from server.wire.rrq_address import MAX_PORT, Address, read_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DAY_MS = 86_400_000
MAX_POOL = 256
MAX_ENTRIES = 1_000
MAX_ARGUMENT = 10_000
_RESERVED = "#*/"
"""What a group's name cannot hold: it stands before ``#`` in types and ``/`` in runners' names."""


@dataclass(frozen=True, slots=True)
class TextList:
    """A list of strings, none of them empty."""

    what: str

    def read(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or len(value) > MAX_ENTRIES:
            raise ValueError(f"has to be a list of {self.what}")
        for entry in value:
            if not isinstance(entry, str) or not entry or "\0" in entry:
                raise ValueError(f"has to be a list of {self.what}, each a text in quotes")
            if len(entry) > MAX_ARGUMENT:
                raise ValueError(f"has an entry of more than {MAX_ARGUMENT} characters")
        return tuple(value)

    def write(self, setting: tuple[str, ...]) -> list[str]:
        return list(setting)


@dataclass(frozen=True, slots=True)
class TypePatterns:
    """Job types, with ``*`` at the end as wildcard."""

    def read(self, value: object) -> tuple[str, ...]:
        patterns = TextList("job types").read(value)
        for pattern in patterns:
            if "*" in pattern[:-1]:
                raise ValueError(f'"{pattern[:40]}": * stands for any end, and only at the end')
            if len(pattern) > 200 or not pattern.isprintable():
                raise ValueError("names of types have at most 200 printable characters")
        return patterns

    def write(self, setting: tuple[str, ...]) -> list[str]:
        return list(setting)


@dataclass(frozen=True, slots=True)
class Environment:
    """A table of environment variables."""

    def read(self, value: object) -> Mapping[str, str]:
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise ValueError('has to be a table of texts, such as {LOG_LEVEL = "debug"}')
        for name, text in value.items():
            if not name or "=" in name or "\0" in name + text or not name.isprintable():
                raise ValueError("has a name that no environment variable can have")
            if looks_like_a_secret(text):
                raise ValueError(
                    "has a value that looks like a secret (not shown): set it in the environment "
                    "the coordinator is started with, which its runners inherit"
                )
        return dict(value)

    def write(self, setting: Mapping[str, str]) -> dict[str, str]:
        return dict(setting)


@dataclass(frozen=True, slots=True)
class TcpSocket:
    """``HOST:PORT``, an IPv6 address in brackets; empty for none."""

    def read(self, value: object) -> Address | None:
        text = Text(longest=300).read(value)
        return read_address(text) if text else None

    def write(self, setting: Address | None) -> str:
        return str(setting) if setting is not None else ""


@dataclass(frozen=True, slots=True)
class Labels:
    """A table of short texts."""

    def read(self, value: object) -> Mapping[str, str]:
        return text_map(value, "this")

    def write(self, setting: Mapping[str, str]) -> dict[str, str]:
        return dict(setting)


RRQ_KEYS = (
    Key(
        "mode",
        "mode",
        Choice(("managed", "external")),
        '"managed": started and ended by the coordinator; "external": dialled where it listens',
    ),
    Key("cmd", "cmd", TextList("words of a command"), "managed: what starts one, without a shell"),
    Key(
        "tcp_socket",
        "tcp_socket",
        TcpSocket(),
        "external: where it listens; managed: the first port, 0 for any free ones",
    ),
    Key(
        "pool_size",
        "pool_size",
        Integer(1, MAX_POOL),
        "managed: how many processes; an external runner is always one",
    ),
    Key("max_in_flight", "max_in_flight", Integer(1, MAX_IN_FLIGHT), "jobs at once on each"),
    Key("cwd", "cwd", Text(), "managed: the folder it is started in; empty: the coordinator's"),
    Key("env", "env", Environment(), "managed: added to the coordinator's environment"),
    Key("protocol", "protocol", Choice(("1", "2")), '"1" for runners before 0.9.10'),
    Key(
        "types",
        "types",
        TypePatterns(),
        "job types it does; empty: those that begin with its name and #",
    ),
    Key(
        "allowed_hosts",
        "allowed_hosts",
        TextList("names or addresses of hosts"),
        "external: hosts beyond loopback that may be dialled",
    ),
    Key(
        "job_timeout",
        "job_timeout_ms",
        Duration(least_ms=1_000, most_ms=365 * DAY_MS),
        "for jobs that have none: every request has a deadline",
    ),
    Key(
        "response_timeout",
        "response_timeout_ms",
        Duration(least_ms=100, most_ms=365 * DAY_MS, none_ms=0),
        'a request without an answer for so long is tried again; "none": until its deadline',
    ),
    Key(
        "ready_timeout",
        "ready_timeout_ms",
        Duration(least_ms=100, most_ms=3_600_000),
        "managed: how long it may take until it listens",
    ),
    Key(
        "stop_grace",
        "stop_grace_ms",
        Duration(most_ms=3_600_000),
        "managed: from SIGTERM to SIGKILL when one is ended",
    ),
    Key("labels", "labels", Labels(), "for jobs that require some"),
)

EXAMPLE_GROUP = (
    "python",
    RrqGroupSettings(
        cmd=("rrq-runner", "--settings", "myapp.runner.settings"),
        tcp_socket=Address("127.0.0.1", 9000),
    ),
)


def check_group(name: str, group: RrqGroupSettings) -> Iterator[tuple[str, str]]:
    """What is wrong with a group although each of its keys is fine.

    Keys of the other mode may stand there, so that one key is enough to change it.
    """
    if any(character in _RESERVED for character in name):
        yield "", f"names of groups hold none of {' '.join(_RESERVED)}: they are part of job types"
    if len(name) > 100:
        yield "", "names of groups have at most 100 characters: they are part of job types"
    if group.tcp_socket is None:
        yield "tcp_socket", 'is needed, such as "127.0.0.1:9000"'
    elif group.mode == "managed":
        yield from _check_managed(group, group.tcp_socket)
    else:
        yield from _check_external(group, group.tcp_socket)


def _check_managed(group: RrqGroupSettings, first: Address) -> Iterator[tuple[str, str]]:
    if not group.cmd:
        yield "cmd", 'is needed in mode "managed"; runners that run already are mode "external"'
    if not _is_loopback(first.host):
        yield "tcp_socket", "managed runners listen on this box: the host has to be 127.0.0.1"
    last = first.port + group.pool_size - 1
    if first.port and last > MAX_PORT:
        yield (
            "tcp_socket",
            f"{group.pool_size} processes would need ports {first.port} to {last}, beyond "
            f"{MAX_PORT}: begin lower",
        )
    if group.cwd and not Path(group.cwd).is_absolute():
        yield "cwd", "has to be a whole path, beginning with /"


def _check_external(group: RrqGroupSettings, address: Address) -> Iterator[tuple[str, str]]:
    if not address.port:
        yield "tcp_socket", "needs the port where the runner listens"
    if not _is_loopback(address.host) and address.host not in group.allowed_hosts:
        yield (
            "tcp_socket",
            f"{address.host} is not on this box, and this protocol has neither keys nor TLS; if "
            f'that is meant: allowed_hosts = ["{address.host}"]',
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

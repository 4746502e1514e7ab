"""Lists of the Treadmill part of a configuration: supervisors, and tokens of REST clients."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from server.configuration.secrets import Secret
from server.model import MAX_NAME
from server.settings import ApiTokenSettings, SecretSource, SupervisorSettings

MAX_ENTRIES = 10_000
MAX_TAGS = 100
NAME_OF_ALL = "treadmill"
"""Name under which the token that allows everything acts."""
PLAIN_PERMISSIONS = ("admin", "submit_job", "list_jobs", "list_supervisors")
PERMISSIONS_OF_ONE = (
    "read_job_status",
    "stop_job",
    "read_supervisor_status",
    "run_job_on_supervisor",
)
"""Each with an id behind a colon."""


@dataclass(frozen=True, slots=True)
class Supervisors:
    """A list of ``{id, token, tags, name, ssh_endpoints}``; no two have the same id."""

    def read(self, value: object) -> tuple[SupervisorSettings, ...]:
        entries = _tables(value, "protocols.treadmill.supervisors")
        read = tuple(_supervisor(entry, number) for number, entry in enumerate(entries, start=1))
        _require_unique([one.id for one in read], "id")
        _require_unique([one.name for one in read if one.name], "name")
        return read

    def write(self, setting: tuple[SupervisorSettings, ...]) -> list[Any]:
        return [_written(one) for one in setting]


@dataclass(frozen=True, slots=True)
class ApiTokens:
    """A list of ``{name, token, permissions}``."""

    def read(self, value: object) -> tuple[ApiTokenSettings, ...]:
        entries = _tables(value, "protocols.treadmill.tokens")
        read = tuple(_api_token(entry, number) for number, entry in enumerate(entries, start=1))
        _require_unique([one.name for one in read], "name")
        return read

    def write(self, setting: tuple[ApiTokenSettings, ...]) -> list[Any]:
        return [
            {
                "name": one.name,
                "token": Secret().write(one.token),
                "permissions": list(one.permissions),
            }
            for one in setting
        ]


def _tables(value: object, path: str) -> list[dict[str, object]]:
    if (
        not isinstance(value, list)
        or len(value) > MAX_ENTRIES
        or not all(isinstance(entry, dict) for entry in value)
    ):
        raise ValueError(f"has to be written as [[{path}]], once for each")
    return value


def _supervisor(entry: dict[str, object], number: int) -> SupervisorSettings:
    what = f"supervisor {number}"
    _require_known(entry, {"id", "token", "tags", "name", "ssh_endpoints"}, what)
    return SupervisorSettings(
        id=_uuid(entry.get("id"), what),
        token=_secret(entry.get("token"), what),
        tags=_texts(entry.get("tags", []), f"tags of {what}", MAX_TAGS),
        name=_name(entry.get("name", ""), what),
        ssh_endpoints=tuple(
            _endpoint(text, what)
            for text in _texts(entry.get("ssh_endpoints", []), f"ssh_endpoints of {what}", 100)
        ),
    )


def _api_token(entry: dict[str, object], number: int) -> ApiTokenSettings:
    what = f"token {number}"
    _require_known(entry, {"name", "token", "permissions"}, what)
    name = _name(entry.get("name"), what)
    if not name:
        raise ValueError(f"{what} needs a name")
    if name == NAME_OF_ALL:
        raise ValueError(f"{what}: {name} is what api_token acts as; choose another name")
    permissions = _texts(entry.get("permissions", []), f"permissions of {what}", 10_000)
    permissions = tuple(_permission(permission, what) for permission in permissions)
    return ApiTokenSettings(name, _secret(entry.get("token"), what), permissions)


def _permission(permission: str, what: str) -> str:
    """A permission as it is asked for: with the id in the form we write it."""
    kind, colon, of = permission.partition(":")
    if permission in PLAIN_PERMISSIONS:
        return permission
    if colon and kind in PERMISSIONS_OF_ONE:
        try:
            return f"{kind}:{uuid.UUID(of)}"
        except ValueError:
            raise ValueError(
                f"{what}: {kind}: needs a job's or supervisor's id behind it, a UUID"
            ) from None
    known = ", ".join([*PLAIN_PERMISSIONS, *(f"{kind}:ID" for kind in PERMISSIONS_OF_ONE)])
    raise ValueError(f"{what}: permissions are {known}")


def _require_known(entry: dict[str, object], known: set[str], what: str) -> None:
    unknown = sorted(entry.keys() - known)
    if unknown:
        raise ValueError(
            f"{what}: {unknown[0][:40]!r} is not known; there can be {', '.join(sorted(known))}"
        )


def _require_unique(names: list[str], what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1}) if names else []
    if twice:
        raise ValueError(f"two have the {what} {twice[0]}")


def _uuid(value: object, what: str) -> str:
    try:
        return str(uuid.UUID(value if isinstance(value, str) else ""))
    except ValueError:
        raise ValueError(f"{what} needs an id, a UUID in quotes") from None


def _secret(value: object, what: str) -> SecretSource:
    try:
        source = Secret().read(value)
    except ValueError as error:
        raise ValueError(f"token of {what} {error}") from None
    if source == SecretSource():
        raise ValueError(f"{what} needs a token: the name of an environment variable")
    return source


def _texts(value: object, what: str, most: int) -> tuple[str, ...]:
    if (
        not isinstance(value, list)
        or len(value) > most
        or not all(
            isinstance(text, str) and 0 < len(text) <= MAX_NAME and text.isprintable()
            for text in value
        )
    ):
        raise ValueError(f"{what} have to be a list of at most {most} short texts")
    return tuple(value)


def _name(value: object, what: str) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME or not value.isprintable():
        raise ValueError(f"name of {what} has to be a text of at most {MAX_NAME} characters")
    return value


def _endpoint(text: str, what: str) -> tuple[str, int]:
    """``HOST:PORT``; brackets stand around the address of IPv6."""
    host, colon, port = text.rpartition(":")
    is_port = port.isascii() and port.isdigit() and 0 < int(port[:6]) <= 65535
    if not (colon and host and is_port):
        raise ValueError(f"ssh_endpoints of {what}: {text[:60]!r} is not of the form HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _written(one: SupervisorSettings) -> dict[str, Any]:
    ends = [
        f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in one.ssh_endpoints
    ]
    entry: dict[str, Any] = {"id": one.id, "token": Secret().write(one.token)}
    optional = {"tags": list(one.tags), "name": one.name, "ssh_endpoints": ends}
    return {**entry, **{name: value for name, value in optional.items() if value}}

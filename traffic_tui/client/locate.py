"""Which coordinator is meant, and which key gets in: flags, variables, then this user's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from server.discovery import answers, lives, read_discovery
from server.folder import data_folder
from server.keyfile import KeyFileProblem, read_keys
from traffic_tui.client.base import ClientError, Unreachable
from traffic_tui.client.trust import Trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.model import Role
    from traffic_tui.client.http import HttpClient

URL_VARIABLE = "TRAFFIC_TUI_URL"
KEY_VARIABLE = "TRAFFIC_TUI_KEY"
CA_VARIABLE = "TRAFFIC_TUI_CA"
MAX_KEY_FILE = 10_000


class Located(NamedTuple):
    """A coordinator to talk to."""

    url: str
    key: str
    """Empty: none was found; the coordinator will say what it needs."""
    trust: Trust
    is_local: bool
    """Whether it was found in this user's data folder, not named."""


def locate(
    *,
    url: str | None = None,
    key_file: Path | None = None,
    ca: Path | None = None,
    certificate: Path | None = None,
    certificate_key: Path | None = None,
    role: Role = "operator",
    data_dir: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Located:
    """The coordinator that flags and variables name, else the one that runs for this user.

    Args:
        certificate: what to show to a coordinator that asks for one.
        role: which of the data folder's keys to take.
        data_dir: the data folder; None: the default one.

    Raises:
        Unreachable: none is named, and none runs here.
        ClientError: a key or CA file that was named cannot be read.
    """
    named_url = url or environment.get(URL_VARIABLE, "")
    folder = data_folder(data_dir, None, environment)
    found_url = _checked_url(named_url) if named_url else _local_url(folder)
    is_of_folder = not named_url or _serves(folder, found_url)
    return Located(
        url=found_url,
        key=_key(key_file, folder if is_of_folder else None, role, environment),
        trust=Trust(_ca(ca, environment), certificate, certificate_key),
        is_local=not named_url,
    )


def connect_client(located: Located, *, is_read_only: bool = False) -> HttpClient:
    """A client for what was located. Imports the HTTP library only now."""
    from traffic_tui.client.http import HttpClient

    return HttpClient(located.url, located.key, trust=located.trust, is_read_only=is_read_only)


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        has_port = False
    if not has_port or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClientError(
            f"{_printable(url)} is no URL of a coordinator, such as http://127.0.0.1:8700",
            code="bad_url",
            status=0,
        )
    if parts.username or parts.password:
        raise ClientError(
            "a key does not belong into the URL, where others can read it; use --key-file or "
            f"{KEY_VARIABLE}",
            code="bad_url",
            status=0,
        )
    return url.rstrip("/")


def _local_url(folder: Path) -> str:
    discovery = read_discovery(folder)
    if discovery is None:
        raise Unreachable(
            f"no coordinator runs for this user (none has written into {folder}); start one with "
            f"`traffic-tui` or `traffic-tui serve`, or name one with --url or {URL_VARIABLE}"
        )
    if not lives(folder, discovery):
        raise Unreachable(
            f"the coordinator at {discovery.url} has ended without taking its leave (its process, "
            f"{discovery.pid}, is gone); start it again with `traffic-tui serve`"
        )
    if not answers(discovery.url):
        raise Unreachable(
            f"the coordinator at {discovery.url} (process {discovery.pid}) does not answer; it may "
            "be starting, stopping or stopped: try again, or see coordinator.log in " + str(folder)
        )
    return discovery.url


def _serves(folder: Path, url: str) -> bool:
    """Whether a URL that was named is the one that this user's own coordinator has anyway."""
    discovery = read_discovery(folder)
    return discovery is not None and _same_place(discovery.url, url)


def _same_place(one: str, other: str) -> bool:
    def place(url: str) -> tuple[str, str, int | None]:
        parts = urlsplit(url)
        host = (parts.hostname or "").replace("localhost", "127.0.0.1")
        return parts.scheme, host, parts.port

    return place(one) == place(other)


def _key(
    key_file: Path | None, folder: Path | None, role: Role, environment: Mapping[str, str]
) -> str:
    """The key to show. A key of this user's folder is never sent to another coordinator."""
    if key_file is not None:
        return _key_from(key_file)
    if from_variable := environment.get(KEY_VARIABLE, "").strip():
        return _one_key(from_variable, f"the variable {KEY_VARIABLE}")
    if folder is None:
        return ""
    try:
        return read_keys(folder).get(role, "")
    except KeyFileProblem as error:
        raise ClientError(str(error), code="key_file", status=0) from error


def _key_from(path: Path) -> str:
    try:
        with path.expanduser().open("rb") as file:
            key = file.read(MAX_KEY_FILE).decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ClientError(
            f"the key file {path} cannot be read: {why}", code="key_file", status=0
        ) from error
    return _one_key(key, f"the key file {path}")


def _one_key(text: str, place: str) -> str:
    """``text`` if it can be a key; it is never shown, as most of it may be one."""
    if len(text.split()) != 1 or not (text.isascii() and text.isprintable()):
        raise ClientError(
            f"{place} has to hold one key and nothing else", code="key_file", status=0
        )
    return text


def _ca(given: Path | None, environment: Mapping[str, str]) -> Path | None:
    if given is not None:
        return given.expanduser()
    named = environment.get(CA_VARIABLE, "")
    return Path(named).expanduser() if named else None


def _printable(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:100])
    return repr(shown)

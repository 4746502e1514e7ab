"""``coordinator.json`` in the data folder: who serves these data, and whether that one lives."""

from __future__ import annotations

import http.client
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from server.folder import FILE_MODE
from server.wire.unreadable import UNREADABLE

DISCOVERY_FILE = "coordinator.json"
_MAX_BYTES = 10_000
_ANSWER_SECONDS = 2.0


class Discovery(msgspec.Struct, frozen=True):
    """What a running coordinator wrote for other programs of its user."""

    url: str
    pid: int
    started_at: int
    """Epoch milliseconds."""
    data_dir: str


def write_discovery(folder: Path, discovery: Discovery) -> None:
    """Put the file in place whole: a reader sees the old one or the new one, never a half.

    Raises:
        OSError: it cannot be written, as on a full disk; no draft of it is left.
    """
    path = folder / DISCOVERY_FILE
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(discovery) + b"\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_discovery(folder: Path) -> Discovery | None:
    """What the file says; None where there is none, or it makes no sense."""
    try:
        with (folder / DISCOVERY_FILE).open("rb") as file:
            return msgspec.json.decode(file.read(_MAX_BYTES), type=Discovery)
    except (OSError, *UNREADABLE):
        return None


def remove_discovery(folder: Path, discovery: Discovery) -> None:
    """Take the file away, unless a successor has written its own meanwhile."""
    if read_discovery(folder) == discovery:
        (folder / DISCOVERY_FILE).unlink(missing_ok=True)


def find_running(folder: Path) -> Discovery | None:
    """The coordinator that serves this folder, if one does: its process is there and answers."""
    discovery = read_discovery(folder)
    if discovery is None or not lives(folder, discovery) or not answers(discovery.url):
        return None
    return discovery


def lives(folder: Path, discovery: Discovery) -> bool:
    """Whether the process is there, and was started by the user who wrote the file.

    Numbers of processes come again, and where a coordinator was killed anybody can take its port:
    another user with both would be shown a key.
    """
    if not is_process(discovery.pid):
        return False
    user = _user_of(discovery.pid)
    try:
        return user is None or user == (folder / DISCOVERY_FILE).stat().st_uid
    except OSError:
        return False


def _user_of(pid: int) -> int | None:
    """Who started a process; None: this system does not tell, -1: it is hidden from us."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii", "replace").splitlines()
    except OSError:
        return -1 if Path("/proc/self/status").exists() else None
    told = next((line.split() for line in lines if line.startswith("Uid:")), [])
    return int(told[1]) if len(told) > 1 else None


def is_process(pid: int) -> bool:
    """Whether there is such a process, of whichever user."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return isinstance(pid, int) and pid < 2**22
    return True


def answers(url: str, *, within_seconds: float = _ANSWER_SECONDS) -> bool:
    """Whether ``/livez`` says yes. Nothing secret is sent, so no certificate is asked for."""
    connection = _connection(url, within_seconds)
    if connection is None:
        return False
    try:
        connection.request("GET", "/livez")
        return connection.getresponse().status == http.client.OK
    except http.client.RemoteDisconnected:
        return url.startswith("https:")  # it lives, but only talks to those who show a certificate
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _connection(url: str, within_seconds: float) -> http.client.HTTPConnection | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.scheme not in ("http", "https"):
        return None
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=within_seconds)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=within_seconds, context=context)

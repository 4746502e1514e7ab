"""Finding, and getting into, a Treadmill switchboard: what is sent, what has to come back.

Whatever is wrong ends as words: a supervisor tries again for ever, so people read them from a log.
"""

from __future__ import annotations

import base64
import binascii
import logging
import re
import uuid
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from server.wire.treadmill import CONFIG_HEADER, MAX_MESSAGE, SUBPROTOCOL, TOKEN_BYTES
from traffic_tui.runner.connectors.link import is_loopback, tls_context
from traffic_tui.runner.connectors.treadmill_socket import PingedConnection
from traffic_tui.runner.errors import RunnerError, WrongOptions
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    import ssl

    from websockets.asyncio.client import ClientConnection

    from traffic_tui.runner.connectors.link import Address

OPEN_SECONDS = 10.0
CLOSE_SECONDS = 2.0
SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
MAJOR = 1
LEAST_KEEPALIVE_SECONDS = 0.1

_socket_log = logging.getLogger(f"{__name__}.socket")
_socket_log.setLevel(logging.WARNING)  # below that the library logs the token, and all messages

_UNITS = {
    "ns": 1e-9,
    "Ms": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
    "w": 604800.0,
    "": 1.0,
}
_DURATION = re.compile(r"\+?(\d+\.?\d*(?:e\d+)?|\.\d+(?:e\d+)?)(ns|Ms|ms|s|m|h|d|w|)")
_STATUSES = {
    403: "it does not let this supervisor in: its id and the token do not belong together (403)",
    404: "there is no Treadmill switchboard at this address (404)",
}


class NotConnected(Exception):
    """There is no connection; its words say why. Trying again is right."""


class Keepalive(NamedTuple):
    """How both sides know that the other one is there."""

    ping_within_seconds: float | None
    """The switchboard pings, and is gone where none came for so long. None: it does not promise
    to, so we ping."""


class Place(NamedTuple):
    """A switchboard's door for one supervisor. Its ``token`` is for the header alone."""

    url: str
    supervisor: str
    token: str
    tls: ssl.SSLContext | None

    @property
    def door(self) -> str:
        return f"{self.url}/api/v1/supervisors/{self.supervisor}/connect"


class _Pings(msgspec.Struct):
    keepalive: str


class _Version(msgspec.Struct):
    major: int


class _SocketConfig(msgspec.Struct):
    """Of the union that switchboards send; each revision looks at its own part."""

    keepalive: _Pings | None = None
    protocol: _Version | None = None


def place_of(address: Address, supervisor: str) -> Place:
    """Where to connect. Raises RunnerError in words where that cannot be."""
    url = checked_url(address.url)
    tls = tls_context(address) if url.startswith("wss") else None
    return Place(url, checked_id(supervisor), checked_token(address.key), tls)


def checked_url(url: str) -> str:
    """The address as WebSockets want it, without a slash at its end."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or parts.query or parts.fragment:
        raise WrongOptions(
            f"{plain(url)!r} is no switchboard's address; it looks like ws://HOST:PORT"
        )
    if parts.username or parts.password:
        raise RunnerError("the token does not belong into the address, where others can read it")
    return f"{SCHEMES[parts.scheme]}://{parts.netloc}{parts.path}".rstrip("/")


def checked_id(supervisor: str) -> str:
    try:
        return str(uuid.UUID(supervisor))
    except ValueError:
        raise WrongOptions(
            f"{plain(supervisor, 60)!r} is no supervisor's id: --name has to be the UUID under "
            "which the switchboard knows this supervisor"
        ) from None


def checked_token(token: str) -> str:
    """The token as it stands in the header; its words never repeat it."""
    if not token:
        raise RunnerError(
            "a supervisor's token is needed: TRAFFIC_TUI_KEY or --key-file, as the switchboard "
            "knows it"
        )
    try:
        count = len(base64.b64decode(token, validate=True))
    except (binascii.Error, ValueError):
        raise RunnerError("the token is no padded base64 in the standard alphabet") from None
    if count != TOKEN_BYTES:
        raise RunnerError(f"the token has {count} bytes, a supervisor's has {TOKEN_BYTES}")
    return token


async def opened(place: Place) -> tuple[PingedConnection, Keepalive]:
    """A connection that the switchboard let us have.

    Raises:
        NotConnected: it did not, or is none.
    """
    socket = await _connected(place)
    try:
        return socket, _keepalive(socket)
    except BaseException:
        socket.transport.abort()
        raise


async def _connected(place: Place) -> PingedConnection:
    try:
        socket = await _Connect(
            place.door,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            additional_headers={"Authorization": f"Bearer {place.token}"},
            compression=None,
            user_agent_header=None,
            proxy=None if is_loopback(place.url) else True,
            open_timeout=OPEN_SECONDS,
            ping_interval=None,
            close_timeout=CLOSE_SECONDS,
            max_size=MAX_MESSAGE,
            logger=_socket_log,
            create_connection=PingedConnection,
            ssl=place.tls,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        raise NotConnected(_STATUSES.get(status, f"it answered with status {status}")) from None
    except InvalidHandshake as error:
        raise NotConnected(f"this is no Treadmill switchboard: {plain(error)}") from None
    except ConnectionClosed:  # before the request was written
        raise NotConnected("the connection ended as soon as it was there") from None
    except TimeoutError:
        raise NotConnected(f"it did not answer within {OPEN_SECONDS:g} s") from None
    except OSError as error:
        raise NotConnected(plain(error.strerror or error)) from None
    assert isinstance(socket, PingedConnection)
    return socket


class _Connect(connect):
    """A connection to the address that was given, and to no other: it would get the token."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _keepalive(socket: ClientConnection) -> Keepalive:
    if socket.subprotocol != SUBPROTOCOL:
        raise NotConnected(f"it does not speak {SUBPROTOCOL}")
    assert socket.response is not None
    values = socket.response.headers.get_all(CONFIG_HEADER)
    if len(values) != 1:
        raise NotConnected(f"its answer has no header {CONFIG_HEADER}, or more than one")
    return keepalive_of(values[0])


def keepalive_of(config: str) -> Keepalive:
    """What the header ``tml-socket-config`` says.

    Raises:
        NotConnected: it cannot be read, or speaks of another protocol.
    """
    try:
        told = msgspec.json.decode(config, type=_SocketConfig)
        pings = None if told.keepalive is None else seconds_of(told.keepalive.keepalive)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise NotConnected(f"its header {CONFIG_HEADER} cannot be read") from None
    if told.protocol is not None and told.protocol.major != MAJOR:
        raise NotConnected(f"it speaks version {told.protocol.major}, this supervisor {MAJOR}")
    return Keepalive(pings)


def seconds_of(duration: str) -> float:
    """A duration as the original reads it; compound ones (``1m 30s``) are read too.

    Raises:
        ValueError: it is none.
    """
    if duration.strip() in ("inf", "+inf"):
        return float("inf")
    parts = duration.split()
    matches = [_DURATION.fullmatch(part) for part in parts]
    if not parts or len(duration) > 100 or None in matches:
        raise ValueError("this is no duration")
    seconds = sum(float(match[1]) * _UNITS[match[2]] for match in matches if match is not None)
    return max(seconds, LEAST_KEEPALIVE_SECONDS)

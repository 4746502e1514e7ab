"""One coordinator over HTTP: what can go wrong with a call, told apart and in words."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import msgspec

from server.wire.unreadable import UNREADABLE
from traffic_tui.runner.errors import RunnerError
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a coordinator is and what opens its door."""

    url: str
    key: str = ""
    ca: str | None = None
    """PEM file of the authority that signed the coordinator's certificate."""
    certificate: str | None = None
    """PEM file of the runner's own certificate."""
    certificate_key: str | None = None


class Unreachable(Exception):
    """No answer came: not connected, cut off, or too slow. Trying again is right."""


class Rejected(Exception):
    """The coordinator answered with an error."""

    def __init__(self, status: int, code: str, message: str, retry_after: float | None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        """Seconds the coordinator asks to be left alone."""

    @property
    def is_temporary(self) -> bool:
        return self.status in (408, 425, 429) or self.status >= 500


class Link:
    """Calls to one coordinator. Opened and closed with the connector that uses it."""

    def __init__(self, address: Address, *, headers: Mapping[str, str] | None = None) -> None:
        self.url = checked_url(address.url)
        sent = dict(headers or {})
        if address.key:
            sent["authorization"] = f"Bearer {checked_key(address.key)}"
        self._client = httpx.AsyncClient(
            base_url=self.url,
            headers=sent,
            verify=tls_context(address) if self.url.startswith("https") else False,
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
            trust_env=not is_loopback(self.url),
            follow_redirects=False,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        read_seconds: float = READ_SECONDS,
        headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] = (),
    ) -> tuple[int, bytes]:
        """Status and body of a good answer.

        Raises:
            Unreachable: there was none.
            Rejected: it was an error.
        """
        sent = {"content-type": "application/json"} if body is not None else {}
        try:
            answer = await self._client.request(
                method,
                path,
                content=body,
                headers=sent | dict(headers or {}),
                params=httpx.QueryParams(list(params)) if params else None,
                timeout=httpx.Timeout(read_seconds, connect=CONNECT_SECONDS),
            )
        except (httpx.HTTPError, ssl.SSLError) as error:  # not all that breaks TLS is wrapped
            raise Unreachable(plain(str(error) or type(error).__name__)) from None
        if answer.is_success:
            return answer.status_code, answer.content
        raise _rejection(answer)


class _Failure(msgspec.Struct):
    code: str = ""
    message: str = ""


class _Body(msgspec.Struct):
    error: _Failure | str | bool | None = None
    """Traffic Light says no more than true here."""
    message: str = ""


def _rejection(answer: httpx.Response) -> Rejected:
    code, message = "", ""
    try:
        body = msgspec.json.decode(answer.content, type=_Body)
    except UNREADABLE:
        pass
    else:
        if isinstance(body.error, _Failure):
            code, message = body.error.code, body.error.message
        else:
            message = body.error if isinstance(body.error, str) else body.message
    words = plain(message) or f"{answer.status_code} {answer.reason_phrase}"
    return Rejected(answer.status_code, code, words, _retry_after(answer))


def _retry_after(answer: httpx.Response) -> float | None:
    try:
        seconds = float(answer.headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(seconds, 300.0) if seconds >= 0 else None


def decoded(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """A good answer's content. Raises Unreachable: what cannot be read is no answer."""
    try:
        return decoder.decode(body)
    except UNREADABLE as error:
        raise Unreachable(f"the answer cannot be read: {plain(error)}") from None


def checked_url(url: str) -> str:
    """The coordinator's address without a trailing slash. Raises RunnerError in words."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RunnerError(
            f"{plain(url)!r} is no coordinator's address; it looks like http://HOST:PORT"
        )
    return url.rstrip("/")


def checked_key(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise RunnerError("the key holds characters that cannot be sent; look at its file")
    return key


def tls_context(address: Address) -> ssl.SSLContext:
    """What to trust, and what to show. Raises RunnerError in words."""
    try:
        context = ssl.create_default_context(cafile=address.ca)
        if address.certificate:
            context.load_cert_chain(address.certificate, address.certificate_key)
    except (OSError, ssl.SSLError) as error:
        raise RunnerError(f"the certificates cannot be used: {error}") from None
    return context


def is_loopback(url: str) -> bool:
    """Whether a coordinator is on this box, as far as its URL says."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

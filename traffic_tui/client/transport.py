"""Requests to a coordinator and their answers, with every trouble on the way put into words."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from server.wire.operator import MAX_SUBMIT_BODY
from server.wire.unreadable import UNREADABLE
from traffic_tui.client.messages import (
    misunderstood,
    no_text,
    refusal,
    too_large,
    unreachable,
    unsendable,
)
from traffic_tui.client.trust import Trust, tls_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from server.wire.operator import Request

PREFIX = "/api/operator/v1"
TIMEOUT_SECONDS = 10.0
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 10.0
"""An event stream without even a keep-alive for this long is dead."""

_UNSENDABLE = (httpx.InvalidURL, httpx.LocalProtocolError, UnicodeEncodeError)
"""What is found out before a byte is sent: a URL too long, a header that is none."""

_NO_ANSWER = (httpx.HTTPError, ssl.SSLError)
"""httpx leaves what breaks TLS in the middle of an answer as it is."""

T = TypeVar("T")


class Transport:
    """One coordinator, one key, kept connections."""

    def __init__(self, url: str, key: str, trust: Trust, timeout_seconds: float) -> None:
        self._url = url
        self._key = key
        self._trust = trust
        self._timeout = httpx.Timeout(timeout_seconds, connect=CONNECT_SECONDS)
        self._http: httpx.AsyncClient | None = None

    def open(self) -> httpx.AsyncClient:
        """The pool of connections, made at the first call.

        Raises:
            Unreachable: the URL or the CA file makes no sense.
        """
        if self._http is None:
            self._http = self._make()
        return self._http

    async def close(self) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        body: Request | Sequence[Request] | None = None,
        params: Mapping[str, str | int | None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Send a request and decode its answer."""
        response = await self.send(method, path, body=body, params=params, headers=headers)
        try:
            return msgspec.json.decode(response.content, type=answer)
        except UNREADABLE as error:
            raise misunderstood(self._url, response.status_code, error) from error

    async def send(
        self,
        method: str,
        path: str,
        *,
        body: Request | Sequence[Request] | None = None,
        params: Mapping[str, str | int | None] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request; the answer is a good one, or there is an error."""
        sent = dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        http = self.open()
        content = None if body is None else _encoded(body)
        try:
            response = await http.request(
                method,
                f"{PREFIX}{path}",
                params=given(params or {}),
                headers=sent,
                content=content,
            )
        except _UNSENDABLE as error:
            raise unsendable(error) from error
        except _NO_ANSWER as error:
            raise unreachable(self._url, error) from error
        if not response.is_success:
            raise refusal(self._url, response, response.content)
        return response

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, params: Mapping[str, str | int]
    ) -> AsyncIterator[httpx.Response]:
        """An answer that goes on and on, to be read inside the context."""
        http = self.open()
        try:
            request = http.build_request(
                "GET",
                f"{PREFIX}{path}",
                params=dict(params),
                headers={"Accept": "text/event-stream"},
                timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            )
            response = await http.send(request, stream=True)
            try:
                if response.status_code != httpx.codes.OK:
                    raise refusal(self._url, response, await response.aread())
                yield response
            finally:
                await response.aclose()
        except _UNSENDABLE as error:
            raise unsendable(error) from error
        except _NO_ANSWER as error:
            raise unreachable(self._url, error) from error

    def _make(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            return httpx.AsyncClient(
                base_url=self._url,
                headers=headers,
                timeout=self._timeout,
                verify=self._verify(),
                trust_env=not _is_this_box(self._url),
                follow_redirects=False,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise unreachable(self._url, httpx.InvalidURL(str(error))) from error

    def _verify(self) -> ssl.SSLContext | bool:
        """Whom to trust. Loading the system's authorities takes long, so only where needed."""
        if not self._url.startswith("https:"):
            return False
        if self._trust == Trust():
            return True
        return tls_context(self._trust)


def _encoded(body: Request | Sequence[Request]) -> bytes:
    """A body as it is sent. Raises ClientError in words, where no coordinator would take it."""
    try:
        content = msgspec.json.encode(body)
    except UnicodeEncodeError as error:
        raise no_text() from error
    if len(content) > MAX_SUBMIT_BODY:
        raise too_large(len(content))
    return content


def given(params: Mapping[str, str | int | None]) -> dict[str, str | int]:
    """Only those that have a value."""
    return {name: value for name, value in params.items() if value is not None}


def path_part(text: str) -> str:
    """A name as one part of a path. Dots alone would be taken for a way up the path; of what is no
    text, as from an argument that is not UTF-8, the coordinator says so."""
    if text in (".", ".."):
        return text.replace(".", "%2E")
    return quote(text, safe="", errors="surrogatepass") or "%20"


def _is_this_box(url: str) -> bool:
    """Whether a proxy makes no sense."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host in ("localhost", "::1") or host.startswith("127.")

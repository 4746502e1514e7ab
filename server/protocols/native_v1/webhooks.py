"""Calling runners: one small POST, and no trust in whatever comes back.

No redirect is followed, no cookie kept, no proxy asked, no name looked up; of an answer nothing
counts but its status.
"""

from __future__ import annotations

import asyncio
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

from server.protocols.native_v1.health import Refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAX_AT_ONCE = 256
KEEP_SECONDS = 2.0
"""How long a connection is kept for the next job: shorter than servers keep it, so that none is
used that the other side closes at this moment."""
MAX_ANSWER = 64 * 1024
DRAIN_SECONDS = 0.2
"""What of an answer has not come by then is not waited for; the connection is closed."""
HEADERS = {"content-type": "application/json", "user-agent": "traffic-tui"}


class Webhooks:
    """The pool of connections to runners. Make it, and close it, on the loop that uses it."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_seconds, connect=timeout_seconds / 2, pool=None),
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=MAX_AT_ONCE,
                keepalive_expiry=KEEP_SECONDS,
            ),
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers=HEADERS,
        )

    async def call(self, url: str, body: bytes) -> Refusal | None:
        """Send a job to a runner; None: it took it."""
        async with self._turns:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    status = await self._status(url, body)
            except TimeoutError:
                return Refusal(f"no answer within {self._timeout_seconds:g}s", False)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                return Refusal(_words(error), True)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return Refusal(_words(error), False)
        return None if 200 <= status <= 299 else Refusal(f"answered {status}", False)

    async def close(self) -> None:
        await self._client.aclose()

    async def _status(self, url: str, body: bytes) -> int:
        async with self._client.stream("POST", url, content=body) as response:
            await _drain(response)
            return response.status_code


async def _drain(response: httpx.Response) -> None:
    """Read a short answer, so that its connection can be used again; leave any other."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await _read_at_most(response.aiter_raw(), MAX_ANSWER)
    except (TimeoutError, httpx.HTTPError):
        return


async def _read_at_most(parts: AsyncIterator[bytes], limit: int) -> None:
    size = 0
    async for part in parts:
        size += len(part)
        if size > limit:
            return


def _words(error: Exception) -> str:
    """What went wrong, on one line."""
    text = " ".join(str(error).split())[:200]
    kind = type(error).__name__
    return f"{kind}: {text}" if text else kind

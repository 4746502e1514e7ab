"""Calling runners: one small POST, and no trust in whatever comes back.

No redirect is followed, no cookie kept, no proxy asked, no name looked up; of an answer nothing
counts but its status.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

from server.protocols.native_v1.health import Refusal, no_connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

KEEP_SECONDS = 2.0
"""How long a connection is kept for the next job: shorter than servers keep it, so that none is
used that the other side closes at this moment."""
MAX_ANSWER = 64 * 1024
DRAIN_SECONDS = 0.2
"""What of an answer has not come by then is not waited for; the connection is closed."""
NONCE_HEADER = "x-traffic-light-nonce"
HEADERS = {"content-type": "application/json", "user-agent": "traffic-tui"}


class Pool:
    """The connections to one runner.

    One pool for all would look at every connection with each call: with 200 runners it took
    seconds for what takes milliseconds now.
    """

    def __init__(self, timeout_seconds: float, trusted: ssl.SSLContext, now: float) -> None:
        self.in_use = 0
        self.used_at = now
        self.client = httpx.AsyncClient(
            verify=trusted,
            timeout=httpx.Timeout(timeout_seconds, connect=timeout_seconds / 2, pool=None),
            limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEP_SECONDS),
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers=HEADERS,
        )


class Webhooks:
    """The pools of connections to all runners. Make it, and close it, on the loop that uses it."""

    def __init__(self, timeout_seconds: float, trusted: ssl.SSLContext) -> None:
        self._timeout_seconds = timeout_seconds
        self._trusted = trusted
        self._pools: OrderedDict[str, Pool] = OrderedDict()

    async def call(self, identity: str, url: str, body: bytes, *, life: str) -> Refusal | None:
        """Send a job to the runner of that identity; None: it took it.

        Args:
            life: the nonce of the boot it is meant for. A runner that looks at it does not take
                what was on its way to the life before.
        """
        pool = self._pool(identity)
        pool.in_use += 1
        try:
            refusal = await self._outcome(pool, url, body, life)
        finally:
            pool.in_use -= 1
        await self.tidy()
        return refusal

    async def tidy(self) -> None:
        """Close pools that were not used for a while."""
        before = asyncio.get_running_loop().time() - KEEP_SECONDS
        while self._pools:
            identity, oldest = next(iter(self._pools.items()))
            if oldest.in_use or oldest.used_at > before:
                return
            del self._pools[identity]
            await oldest.client.aclose()

    async def close(self) -> None:
        pools, self._pools = self._pools, OrderedDict()
        for pool in pools.values():
            await pool.client.aclose()

    def _pool(self, identity: str) -> Pool:
        """The runner's pool, moved to the end of the line: the one used last is the last."""
        now = asyncio.get_running_loop().time()
        pool = self._pools.get(identity)
        if pool is None:
            self._pools[identity] = pool = Pool(self._timeout_seconds, self._trusted, now)
        pool.used_at = now
        self._pools.move_to_end(identity)
        return pool

    async def _outcome(self, pool: Pool, url: str, body: bytes, life: str) -> Refusal | None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                status = await _status(pool.client, url, body, life)
        except TimeoutError:
            return Refusal(f"no answer within {self._timeout_seconds:g}s", False)
        except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
            return _refusal(error)
        return None if 200 <= status <= 299 else Refusal(f"answered {status}", False)


async def _status(client: httpx.AsyncClient, url: str, body: bytes, life: str) -> int:
    headers = {NONCE_HEADER: life} if life.isascii() and life.isprintable() else {}
    async with client.stream("POST", url, content=body, headers=headers) as response:
        await _drain(response)
        return response.status_code


async def _drain(response: httpx.Response) -> None:
    """Read a short answer, so that its connection can be used again; leave any other."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await _read_at_most(response.aiter_raw(), MAX_ANSWER)
    except (TimeoutError, httpx.HTTPError, ssl.SSLError):
        return


async def _read_at_most(parts: AsyncIterator[bytes], limit: int) -> None:
    size = 0
    async for part in parts:
        size += len(part)
        if size > limit:
            return


def _refusal(error: Exception) -> Refusal:
    """What went wrong, in words. One whose certificate is not trusted is there all the same."""
    causes = list(_causes(error))
    about_tls = [cause for cause in causes if isinstance(cause, ssl.SSLError)]
    of_system = [cause for cause in causes if isinstance(cause, OSError) and cause.errno]
    is_unreachable = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
    if about_tls:
        return Refusal(f"TLS: {_words(about_tls[0])}", False)
    if is_unreachable and of_system:
        return no_connection(of_system[-1])
    return Refusal(_words(error), is_unreachable)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _words(cause: BaseException) -> str:
    """What it says, on one line."""
    text = " ".join(str(cause).split())[:200]
    return text or type(cause).__name__

"""``wait``: waits, then sends one bare POST if there is an address to send it to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from traffic_tui.runner.jobs.parameters import known, number
from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from traffic_tui.runner.request import ExecutionRequest

MAX_SECONDS = 366 * 86_400
POST_TIMEOUT_SECONDS = 10.0
MAX_STEP_SECONDS = 1.0
STEPS = 100
"""A short wait tells its progress this many times."""


def check(params: object) -> None:
    _read(params)


async def run(request: ExecutionRequest) -> Any:
    seconds, url = _read(request.params)
    await _wait(request, seconds)
    if url is None:
        return {"waited_seconds": seconds}
    return await _post(request, seconds, url)


def _read(params: object) -> tuple[float, str | None]:
    given = known(params, ("seconds", "url"))
    seconds = number(given, "seconds", least=0, most=MAX_SECONDS)
    url = given.get("url")
    if url is not None and not _is_address(url):
        raise ValueError("url is no address; it looks like http://HOST:PORT/PATH")
    return seconds, url


def _is_address(url: object) -> bool:
    if not isinstance(url, str) or len(url) > 2_000 or not url.isascii() or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


async def _wait(request: ExecutionRequest, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    step = min(MAX_STEP_SECONDS, max(0.05, seconds / STEPS))
    while (passed := loop.time() - begin) < seconds:
        request.progress(round(passed, 1), seconds, "waiting")
        await asyncio.sleep(min(step, seconds - passed))
    request.progress(seconds, seconds, "waited")


async def _post(request: ExecutionRequest, seconds: float, url: str) -> Any:
    """One empty POST. Anything but a 2xx answer is an error of the job."""
    import ssl

    import httpx

    try:
        async with httpx.AsyncClient(timeout=POST_TIMEOUT_SECONDS) as client:
            async with client.stream("POST", url, content=b"") as answer:
                status = answer.status_code
    except (httpx.HTTPError, httpx.InvalidURL, ssl.SSLError) as error:
        words = plain(str(error) or type(error).__name__)
        return _failed(request, f"the POST did not get through: {words}")
    if not 200 <= status < 300:
        return _failed(request, f"the POST was answered with {status}")
    return {"waited_seconds": seconds, "status": status}


def _failed(request: ExecutionRequest, message: str) -> ExecutionOutcome:
    return ExecutionOutcome.failure(request.job_id, request.request_id, message, "post_failed")

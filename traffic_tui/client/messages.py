"""What went wrong between us and a coordinator, in words that say what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from server.wire.operator import MAX_SUBMIT_BODY, ErrorBody
from server.wire.unreadable import UNREADABLE
from traffic_tui.client.base import ClientError, Unreachable

if TYPE_CHECKING:
    import httpx

_LONGEST_ANSWER = 200

_CLOSED = ("RemoteProtocolError", "ReadError", "WriteError")
"""What a refused TLS 1.3 client sees: which of them depends on whose packet was faster."""


def unreachable(url: str, error: Exception) -> Unreachable:
    """No answer came: why, and what may help."""
    words = str(error) or type(error).__name__
    kind = type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in words:
        return Unreachable(
            f"the certificate of {url} is not trusted: name the CA that issued it with --ca or "
            f"TRAFFIC_TUI_CA ({_shortened(words)})"
        )
    if "SSL" in words or "WRONG_VERSION" in words:
        return Unreachable(f"{url} does not speak TLS with us ({_shortened(words)}); is it http?")
    if kind == "ConnectError":
        return Unreachable(
            f"no coordinator answers at {url} ({_shortened(words)}); start one there with "
            "`traffic-tui serve`, or name another with --url or TRAFFIC_TUI_URL"
        )
    if kind in ("ConnectTimeout", "PoolTimeout"):
        return Unreachable(f"{url} cannot be reached: no connection came about in time")
    if "Timeout" in kind:
        return Unreachable(f"{url} did not answer in time; it may be busy, stopped or cut off")
    if kind in ("UnsupportedProtocol", "InvalidURL"):
        return Unreachable(f"{url!r} is no URL of a coordinator, such as http://127.0.0.1:8700")
    if kind in _CLOSED and url.startswith("https:"):
        return Unreachable(
            f"{url} closed the connection without a word; it may want a client certificate of an "
            "authority it knows (server.tls.client_ca is set there): name one with --cert and --key"
        )
    if kind == "RemoteProtocolError" and "without sending" in words:
        return Unreachable(f"the connection to {url} broke ({_shortened(words)}); is it https?")
    return Unreachable(f"the connection to {url} broke ({_shortened(words)})")


def unsendable(error: Exception) -> ClientError:
    """A request that no HTTP can carry, so that it was not even sent: too long, odd letters."""
    return ClientError(
        f"this cannot be asked over HTTP ({_shortened(str(error))}); is a name, a filter or an id "
        "in it far too long, or broken?",
        code="invalid",
        status=0,
    )


def no_text() -> ClientError:
    """A body that cannot be UTF-8, as with an argument that was none: Python keeps such bytes."""
    return ClientError(
        "a name, a reason or another text in this is no text: it is not UTF-8",
        code="invalid",
        status=400,
    )


def too_large(size: int) -> ClientError:
    """A body that is refused anyway. Sent even so, the answer is lost: it comes while we write."""
    return ClientError(
        f"the body has {size} bytes, at most {MAX_SUBMIT_BODY} are accepted",
        code="too_large",
        status=413,
    )


def refusal(url: str, response: httpx.Response, body: bytes) -> ClientError:
    """An answer that is an error: the coordinator's own words where they are."""
    try:
        failure = msgspec.json.decode(body, type=ErrorBody).error
    except UNREADABLE:
        return ClientError(
            f"{url} answered {response.status_code} in a form that no coordinator uses; "
            "is something else listening there?",
            code="not_a_coordinator",
            status=response.status_code,
        )
    return ClientError(
        failure.message,
        code=failure.code,
        status=response.status_code,
        details=failure.details,
    )


def misunderstood(url: str, status: int, error: Exception) -> ClientError:
    """A good answer that we cannot read: another version, or another program."""
    return ClientError(
        f"the answer of {url} cannot be read ({_shortened(str(error))}); is it a coordinator, and "
        "of this version?",
        code="not_understood",
        status=status,
    )


def _shortened(words: str) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in words)
    return text if len(text) <= _LONGEST_ANSWER else f"{text[: _LONGEST_ANSWER - 1]}…"

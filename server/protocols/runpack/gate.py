"""Who may call what, and how often: the runner's id, the key, the limiter, in that order."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from server.http.exchange import SHOWN_KEYS, header
from server.http.gate import address_of
from server.http.limits import MINUTE_MS, WindowLimiter
from server.model import Actor
from server.protocols.runpack.answers import Rejection, rejected
from server.traits import RUNPACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.clock import Clock
    from server.http.exchange import Scope
    from server.keyring import Keyring
    from server.model import Role
    from server.protocols.runpack.routes import Level, Match
    from server.settings import RunpackSettings, Settings

ROLES: Mapping[Level, frozenset[Role]] = {
    "submit": frozenset({"submit"}),
    "runner": frozenset({"runner"}),
    "admin": frozenset({"admin", "runner"}),
}
"""Each level takes its own keys only; a stronger key of ours opens no other door here."""
MAX_LIMITER_KEY = 200
NOBODY = Actor("", "submit", RUNPACK.protocol)


class Caller(NamedTuple):
    """Who was let in."""

    actor: Actor
    runner_uuid: str
    """What the runner's header says; it is taken at its word, as any runner key may name any."""


class Gate:
    """Checks requests before their handler sees them."""

    def __init__(self, keyring: Keyring, settings: Settings, clock: Clock) -> None:
        self._keyring = keyring
        self._is_detail_public = is_detail_public(settings)
        self._limiters = _limiters(settings.protocols.runpack, clock)

    def admit(self, scope: Scope, match: Match) -> Caller:
        """Let a request in.

        Raises:
            Rejection: with the body the original gives.
        """
        route = match.route
        runner_uuid = (header(scope, b"x-runner-id") or "") if route.runner_header else ""
        if route.runner_header == "before key" and not runner_uuid:
            raise rejected("Missing X-Runner-ID header")
        actor = self._actor(scope, route.level)
        if route.runner_header == "after key" and not runner_uuid:
            raise rejected("Missing X-Runner-ID header")
        limiter = self._limiters.get(route.bucket)
        if limiter is not None:
            who = runner_uuid if route.runner_header else caller_ip(scope)
            _count(limiter, f"{route.bucket}:{who[:MAX_LIMITER_KEY]}")
        return Caller(actor, runner_uuid)

    def admit_bare(self, scope: Scope) -> None:
        """Let a subscriber in, whose header is the key of a runner and nothing else."""
        holder = self._keyring.lookup(header(scope, b"authorization") or "")
        if holder is None or holder.role not in ROLES["runner"]:
            raise rejected("Invalid API key", 401)

    def _actor(self, scope: Scope, level: Level) -> Actor:
        if level == "job page":
            level = "none" if self._is_detail_public else "admin"
        if level == "none":
            return NOBODY
        holder = self._keyring.lookup(bearer(scope), scope.get(SHOWN_KEYS))
        if holder is None or holder.role not in ROLES[level]:
            raise rejected("Invalid API key", 401)
        return _actor(holder.name, holder.role, address_of(scope))


@lru_cache(maxsize=1_000)  # asked for each request, about the same few callers
def _actor(name: str, role: Role, address: str) -> Actor:
    return Actor(name, role, RUNPACK.protocol, address)


def _count(limiter: WindowLimiter, who: str) -> None:
    ends_at = limiter.hit(who)
    if ends_at is not None:
        raise Rejection(429, error="Rate limit exceeded", resetTime=ends_at)


def bearer(scope: Scope) -> str:
    """The key of a request, by the original's strict reading of the header."""
    authorization = header(scope, b"authorization")
    if not authorization:
        raise rejected("Missing Authorization header", 401)
    parts = authorization.split(" ")
    if len(parts) != 2 or parts[0] != "Bearer":
        raise rejected("Invalid Authorization header format. Use: Bearer <token>", 401)
    return parts[1]


def caller_ip(scope: Scope) -> str:
    """Whom submits are counted for.

    What a proxy says is believed only of one on this box: elsewhere anybody could say it.
    """
    address = address_of(scope)
    if is_loopback(address):
        for name in (b"cf-connecting-ip", b"x-forwarded-for"):
            if stated := header(scope, name):
                return stated
    return address or "unknown"


def is_detail_public(settings: Settings) -> bool:
    """Whether a job's page can be read without a key."""
    wanted = settings.protocols.runpack.public_job_detail
    return is_loopback(settings.server.host) if wanted == "loopback" else wanted


@lru_cache(maxsize=1_000)  # asked for each submit, of the same few addresses
def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _limiters(settings: RunpackSettings, clock: Clock) -> dict[str, WindowLimiter]:
    """Submits and checks share a window; what runners do is counted apart. A limit of 0 is none."""
    per_minute = {
        "submit": settings.submit_per_minute,
        "poll": settings.poll_per_minute,
        "available": settings.runner_per_minute,
        "heartbeat": settings.runner_per_minute,
    }
    return {
        bucket: WindowLimiter(limit, MINUTE_MS, clock)
        for bucket, limit in per_minute.items()
        if limit > 0
    }

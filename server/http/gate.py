"""Who is let in: the key of a request, its role, and patience with whoever tries keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.errors import Unauthenticated
from server.http.exchange import SHOWN_KEYS, Scope, header
from server.http.limits import AuthThrottle
from server.model import Actor
from server.roles import require

if TYPE_CHECKING:
    from server.clock import Clock
    from server.keyring import Keyring
    from server.roles import Power

VIA = "operator-api"


class Gate:
    """Turns a request into an actor, or an error that says what is missing."""

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        self._keyring = keyring
        self._throttle = AuthThrottle(clock)

    def admit(self, scope: Scope, power: Power) -> Actor:
        """Who asks, if the key's role has the power.

        Raises:
            Unauthenticated, Forbidden, TooManyRequests.
        """
        authorization = header(scope, b"authorization")
        address = address_of(scope)
        try:
            holder = self._keyring.from_header(authorization, scope.get(SHOWN_KEYS))
        except Unauthenticated:
            if authorization is not None:
                self._throttle.failed(address)
            raise
        require(holder.role, power)
        return Actor(holder.name, holder.role, VIA, address)


def address_of(scope: Scope) -> str:
    """The caller's address; empty where the socket has none."""
    client = scope.get("client")
    return str(client[0]) if client else ""

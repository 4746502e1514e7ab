"""Who calls, by the client's certificate, and what that user may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from server.model import Actor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.settings import Scope, WorkernatorUser

PROTOCOL = "workernator"
Call: TypeAlias = Literal["start", "stop", "status", "output"]

COMMON_NAME = "client"
ORGANIZATION = "Teleport"
UNIT = "workernator"
"""What a client's certificate has to say beside the user's name, which is its locality."""


class NotAllowed(Exception):
    """The caller may not do this; the text is for the caller."""


class Caller(NamedTuple):
    """A user, and how far the call may reach."""

    user: str
    scope: Scope
    address: str

    @property
    def actor(self) -> Actor:
        return Actor(self.user, "submit", PROTOCOL, self.address)


def caller(
    certificate: Mapping[str, Any] | None,
    users: Mapping[str, WorkernatorUser],
    call: Call,
    address: str,
) -> Caller:
    """Who calls.

    Args:
        certificate: as :meth:`ssl.SSLObject.getpeercert` gives it.

    Raises:
        NotAllowed: the certificate is not a client's, or its user may not make this call.
    """
    subject = _subject(certificate)
    user = subject.get("localityName", "")
    for field, wanted in (
        ("commonName", COMMON_NAME),
        ("organizationName", ORGANIZATION),
        ("organizationalUnitName", UNIT),
    ):
        if subject.get(field) != wanted:
            raise NotAllowed(f"unable to authorize: the certificate's {field} is not {wanted!r}")
    known = users.get(user)
    scope: Scope = "none" if known is None else getattr(known, call)
    if scope == "none":
        raise NotAllowed(f"unable to authorize: user {user[:100]!r} may not call {call}")
    return Caller(user, scope, address)


def _subject(certificate: Mapping[str, Any] | None) -> dict[str, str]:
    """The fields of the subject; of a field given twice, the last."""
    if not certificate:
        return {}
    return {name: value for part in certificate.get("subject", ()) for name, value in part}

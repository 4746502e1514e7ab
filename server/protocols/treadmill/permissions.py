"""What a token of Treadmill's REST allows: plain words, some with an id behind a colon."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.protocols.treadmill.tokens import TokenBook, bearer
from server.traits import TREADMILL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.model import JobDetails

ADMIN = "admin"


class Holder(NamedTuple):
    """Whoever has a token."""

    name: str
    permissions: frozenset[str]

    @property
    def is_admin(self) -> bool:
        return ADMIN in self.permissions

    def may(self, permission: str) -> bool:
        return self.is_admin or permission in self.permissions

    def may_with(self, permission: str, job_id: str, details: JobDetails) -> bool:
        """Whether it may do so with this job: who submitted a job may read and stop it."""
        if details.origin != TREADMILL.protocol:
            return False
        return details.owner == self.name or self.may(f"{permission}:{job_id}")


class Token(NamedTuple):
    """A token as the configuration gives it."""

    holder: Holder
    secret: bytes


class Clients:
    """Who is let in."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        known = list(tokens)
        self._book = TokenBook({token.holder.name: token.secret for token in known})
        self._holders = {token.holder.name: token.holder for token in known}

    def admit(self, authorization: str | None) -> Holder | None:
        """Whose token a header shows; None: nobody's."""
        name = self._book.owner(bearer(authorization))
        return None if name is None else self._holders[name]

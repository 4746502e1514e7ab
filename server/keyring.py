"""Whose key is it: secrets of the configuration, the user's key file and the store, in one place.

Only digests are kept, so that a dump of this process's memory holds as few secrets as can be.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from server.errors import Unauthenticated
from server.ids import secret_digest
from server.roles import RANK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from server.clock import Clock
    from server.model import Role
    from server.store.base import StoredKey

KeySource: TypeAlias = Literal["configuration", "file", "store"]

MAX_SECRET = 1_000
"""Longest secret that is looked at, in characters."""
MAX_SHOWN = 8
"""Keys remembered of a connection; a proxy's may carry many callers."""


class GivenKey(NamedTuple):
    """A key as configuration or the key file gives it."""

    name: str
    role: Role
    secret: str


class KeyHolder(NamedTuple):
    """Whoever showed a good key."""

    name: str
    role: Role
    source: KeySource


class KeyEntry(NamedTuple):
    """What is known of a key: everything but its secret."""

    holder: KeyHolder
    digest: str
    created_at: int = 0
    expires_at: int = 0
    revoked_at: int = 0

    def is_good(self, clock: Clock) -> bool:
        if self.revoked_at:
            return False
        return not self.expires_at or clock.now_ms() < self.expires_at


class ShownKeys:
    """The few keys that a connection shows again and again, so that each is hashed once. They are
    in memory anyway as long as the connection's last request is."""

    __slots__ = ("_index", "_known")

    def __init__(self) -> None:
        self._known: dict[str, KeyEntry | None] = {}
        self._index: object = None
        """What they were found in; another one may know them otherwise."""

    @property
    def count(self) -> int:
        return len(self._known)

    def entry(self, secret: str, ring: Keyring) -> KeyEntry | None:
        """What the ring knows of a key."""
        if self._index is not ring.index:
            self._known.clear()
            self._index = ring.index
        try:
            return self._known[secret]
        except KeyError:
            if len(self._known) == MAX_SHOWN:
                self._known.clear()
            entry = self._known[secret] = ring.entry(secret)
            return entry


class Keyring:
    """All keys this coordinator knows.

    Args:
        clock: for expiry.
        configured: keys of the configuration, read from variables or files.
        filed: keys of the user's own key file.
        stored: gives the store's named keys, and another tuple whenever they have changed; asked
            at every look-up, so it must be cheap.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        configured: Iterable[GivenKey] = (),
        filed: Iterable[GivenKey] = (),
        stored: Callable[[], tuple[StoredKey, ...]] = tuple,
    ) -> None:
        self._clock = clock
        self._stored = stored
        self._seen: tuple[StoredKey, ...] = ()
        self._given: list[KeyEntry] = []
        self.index: dict[str, KeyEntry] = {}
        """By digest; another one whenever keys have changed."""
        self.set_given(configured=configured, filed=filed)

    def set_given(
        self, *, configured: Iterable[GivenKey] = (), filed: Iterable[GivenKey] = ()
    ) -> None:
        """Take the keys of configuration and key file anew, as after a reload."""
        self._given = [
            *(_given(key, "configuration") for key in configured),
            *(_given(key, "file") for key in filed),
        ]
        self._index()

    def lookup(self, secret: str, shown: ShownKeys | None = None) -> KeyHolder | None:
        """Whose key this is; None: nobody's, or it has expired or was revoked."""
        if not secret or len(secret) > MAX_SECRET:
            return None
        if self._stored() is not self._seen:
            self._index()
        entry = self.entry(secret) if shown is None else shown.entry(secret, self)
        return entry.holder if entry is not None and entry.is_good(self._clock) else None

    def entry(self, secret: str) -> KeyEntry | None:
        """What is known of a key, good or not."""
        digest = secret_digest(secret)
        entry = self.index.get(digest)
        # Finding the digest tells nothing of the secret; comparing it whole keeps it that way.
        if entry is None or not hmac.compare_digest(entry.digest, digest):
            return None
        return entry

    def from_header(self, authorization: str | None, shown: ShownKeys | None = None) -> KeyHolder:
        """Who sent an ``Authorization: Bearer KEY`` header.

        Raises:
            Unauthenticated: in words that never repeat what was sent.
        """
        if authorization is None:
            raise Unauthenticated("a key is needed: send the header Authorization: Bearer KEY")
        scheme, _, secret = authorization.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthenticated("the Authorization header is not of the form: Bearer KEY")
        holder = self.lookup(secret.strip(), shown)
        if holder is None:
            raise Unauthenticated("the key is not known, has expired or was revoked")
        return holder

    def is_good(self, authorization: str | None) -> bool:
        """Whether a header that let somebody in still would."""
        try:
            self.from_header(authorization)
        except Unauthenticated:
            return False
        return True

    def entries(self) -> list[KeyEntry]:
        """All keys, given ones first; revoked and expired ones too."""
        return [*self._given, *(_stored(key) for key in self._stored())]

    def _index(self) -> None:
        self._seen = self._stored()
        self.index = {}
        for entry in [*self._given, *(_stored(key) for key in self._seen)]:
            known = self.index.get(entry.digest)
            if known is None or _outranks(entry, known):
                self.index[entry.digest] = entry


def _outranks(entry: KeyEntry, known: KeyEntry) -> bool:
    """One secret may be given for several roles: the strongest counts, revoked ones never."""
    if bool(entry.revoked_at) != bool(known.revoked_at):
        return not entry.revoked_at
    return RANK[entry.holder.role] > RANK[known.holder.role]


def _given(key: GivenKey, source: KeySource) -> KeyEntry:
    return KeyEntry(KeyHolder(key.name, key.role, source), secret_digest(key.secret))


def _stored(key: StoredKey) -> KeyEntry:
    holder = KeyHolder(key.name, key.role, "store")
    return KeyEntry(holder, key.digest, key.created_at, key.expires_at, key.revoked_at)

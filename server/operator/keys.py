"""Calls about keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.errors import NotFound, Refused
from server.operator.line_views import key_view
from server.operator.parts import OperatorParts
from server.wire.operator import CreatedKeyView, KeysView

if TYPE_CHECKING:
    from server.model import Actor
    from server.store.base import StoredKey
    from server.wire.operator import KeyRequest, KeyView, ReasonRequest


class KeyCalls(OperatorParts):
    """List, make and revoke keys."""

    async def keys(self, actor: Actor) -> KeysView:
        """All keys, without their secrets, revoked ones too."""
        return KeysView(keys=[key_view(entry) for entry in self.keyring.entries()])

    async def create_key(self, actor: Actor, request: KeyRequest) -> CreatedKeyView:
        """Make a named key; its secret is told this once."""
        if self._given(request.name):
            raise Refused(f"there is a key named {request.name} in the configuration or key file")
        stored, secret = await self.coordinator.create_key(
            actor, request.name, request.role, request.expires_at, reason=request.reason
        )
        return CreatedKeyView(key=self._view(stored), secret=secret)

    async def revoke_key(
        self, actor: Actor, name: str, request: ReasonRequest | None = None
    ) -> KeyView:
        """End a key at once. Keys that were given from outside end where they were given."""
        source = self._given(name)
        stored = any(key.name == name for key in self.coordinator.keys())
        if source and not stored:
            where = "configuration" if source == "configuration" else "key file"
            raise Refused(f"the key {name} is in the {where}: take it out there")
        if not stored:
            raise NotFound(f"there is no key named {name[:60]}")
        reason = request.reason if request else ""
        return self._view(await self.coordinator.revoke_key(actor, name, reason=reason))

    def _given(self, name: str) -> str:
        """Where a key of that name was given from outside; empty: nowhere."""
        for entry in self.keyring.entries():
            if entry.holder.name == name and entry.holder.source != "store":
                return entry.holder.source
        return ""

    def _view(self, stored: StoredKey) -> KeyView:
        return next(
            key_view(entry)
            for entry in self.keyring.entries()
            if entry.holder.source == "store" and entry.holder.name == stored.name
        )

"""Queues and keys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from server.coordinator.memory import announce_pending
from server.coordinator.submit import ensure_queue
from server.errors import InvalidInput, NotFound, Refused
from server.ids import new_secret, secret_digest
from server.store.base import StoredKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.coordinator.memory import Memory
    from server.model import Actor, Queue, Role
    from server.settings import QueueSettings
    from server.store.base import Tx


def _known_queue(tx: Tx, name: str) -> Queue:
    queue = tx.queue(name)
    if queue is None:
        raise NotFound(f"there is no queue {name}")
    return queue


def pause_queue(tx: Tx, memory: Memory, actor: Actor, name: str, reason: str, now: int) -> Queue:
    """Start no more jobs of a queue; what runs goes on."""
    queue = _known_queue(tx, name)
    if queue.is_paused:
        raise Refused(f"queue {name} is paused already, by {queue.paused_by}")
    paused = replace(queue, paused_at=now, paused_by=actor.name, pause_reason=reason)
    tx.put_queue(paused)
    tx.append("queue_paused", at=now, queue=name, actor=actor.name, reason=reason)
    return paused


def resume_queue(tx: Tx, memory: Memory, actor: Actor, name: str, reason: str, now: int) -> Queue:
    """Start jobs of a queue again."""
    queue = _known_queue(tx, name)
    if not queue.is_paused:
        raise Refused(f"queue {name} is not paused")
    resumed = replace(queue, paused_at=0, paused_by="", pause_reason="")
    tx.put_queue(resumed)
    tx.append("queue_resumed", at=now, queue=name, actor=actor.name, reason=reason)
    _announce(tx, memory, name)
    return resumed


def limit_queue(
    tx: Tx, memory: Memory, actor: Actor, name: str, limit: int | None, reason: str, now: int
) -> Queue:
    """Let at most ``limit`` jobs of a queue be active; None: any number."""
    queue = _known_queue(tx, name)
    if limit is not None and limit < 1:
        raise InvalidInput("a limit is at least 1; to start nothing, pause the queue")
    limited = replace(queue, limit=limit)
    tx.put_queue(limited)
    tx.append(
        "queue_limited",
        at=now,
        queue=name,
        actor=actor.name,
        reason=reason,
        data=msgspec.json.encode({"from": queue.limit, "to": limit}),
    )
    _announce(tx, memory, name)
    return limited


def follow_configuration(
    tx: Tx, memory: Memory, actor: Actor, before: Mapping[str, QueueSettings], now: int
) -> None:
    """Bring queues in line with the configuration.

    Stalling is set nowhere else. A limit may have been changed by an operator since, so it is
    taken over only where the configuration itself says another one than ``before``.
    """
    for name, wanted in memory.settings.queues.items():
        queue = ensure_queue(tx, memory, name)
        if queue.stall_after_ms != wanted.stall_after_ms:
            tx.put_queue(replace(queue, stall_after_ms=wanted.stall_after_ms))
        if name in before and before[name].limit != wanted.limit:
            limit_queue(tx, memory, actor, name, wanted.limit, "the configuration changed", now)


def _announce(tx: Tx, memory: Memory, queue: str) -> None:
    for job_class in tx.waiting_classes():
        if job_class.queue == queue:
            waiting = tx.count(job_class.id, "pending")
            announce_pending(tx, memory, [job_class.id] * min(waiting, 1_000))


def create_key(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    name: str,
    role: Role,
    expires_at: int,
    reason: str,
    now: int,
) -> tuple[StoredKey, str]:
    """Make a named key; its secret is given once and not kept."""
    known = _key(tx, name)
    if known is not None and not known.revoked_at:
        raise Refused(f"there is a key named {name}; revoke it first, or choose another name")
    if 0 < expires_at <= now:
        raise InvalidInput("the key would have expired already")
    secret = new_secret()
    key = StoredKey(name, role, secret_digest(secret), now, expires_at, 0)
    _put_key(tx, memory, key)
    data = msgspec.json.encode({"name": name, "role": role, "expires_at": expires_at})
    tx.append("key_created", at=now, actor=actor.name, reason=reason, data=data)
    return key, secret


def revoke_key(tx: Tx, memory: Memory, actor: Actor, name: str, reason: str, now: int) -> StoredKey:
    """End a named key at once."""
    key = _key(tx, name)
    if key is None:
        raise NotFound(f"there is no key named {name}")
    if key.revoked_at:
        raise Refused(f"key {name} was revoked already")
    revoked = key._replace(revoked_at=now)
    _put_key(tx, memory, revoked)
    data = msgspec.json.encode({"name": name})
    tx.append("key_revoked", at=now, actor=actor.name, reason=reason, data=data)
    return revoked


def _key(tx: Tx, name: str) -> StoredKey | None:
    """From the transaction, not from memory: two calls of one commit may name the same key."""
    return next((key for key in tx.keys() if key.name == name), None)


def _put_key(tx: Tx, memory: Memory, key: StoredKey) -> None:
    tx.put_key(key)
    tx.after_commit(lambda: memory.put_key(key))

"""Runners coming, going, rebooting and leaving for good."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from server.coordinator.reports import Report
from server.errors import NotFound, Refused
from server.filters.patterns import glob_matches
from server.ids import new_uuid, secret_digest
from server.model import LEFT, Outcome, Runner, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.coordinator.memory import Memory
    from server.coordinator.results import Introduction
    from server.events import EventKind
    from server.model import Actor
    from server.store.base import Tx

SUPERSEDED = "superseded"
LOST = "lost"


def register(tx: Tx, memory: Memory, who: Introduction, now: int) -> Runner:
    """Know a runner, or know it better: its identity decides which one it is."""
    known = tx.runner_by_identity(who.protocol, who.identity)
    fresh = described(memory, who, known, now)
    if known is None:
        fresh = tx.insert_runner(fresh)
        _tell(tx, "runner_registered", fresh, now)
    else:
        tx.update_runner(fresh)
    tx.after_commit(lambda: memory.put_runner(fresh))
    tx.after_commit(lambda: memory.hear(fresh.id))
    return fresh


def described(memory: Memory, who: Introduction, known: Runner | None, now: int) -> Runner:
    """A runner as it introduces itself, with what the configuration adds."""
    capacity = memory.settings.runners.max_jobs if who.capacity is None else who.capacity
    labels = {**_configured_labels(memory, who), **who.labels}
    if known is None:
        return Runner(
            id=0,
            uuid=new_uuid(),
            protocol=who.protocol,
            identity=who.identity,
            name=who.name,
            capacity=capacity,
            types=who.types,
            labels=labels,
            address=who.address,
            version=who.version,
            registered_at=now,
            last_seen_at=now,
            endpoint=who.endpoint,
        )
    return replace(
        known,
        name=who.name,
        capacity=capacity,
        types=who.types,
        labels=labels,
        address=who.address,
        version=who.version,
        last_seen_at=now,
        endpoint=who.endpoint,
        is_forgotten=False,
    )


def _configured_labels(memory: Memory, who: Introduction) -> dict[str, str]:
    labels: dict[str, str] = {}
    for rule in memory.settings.runners.labels:
        if any(_matches(rule.match, name) for name in (who.name, who.address)):
            labels.update(rule.labels)
    return labels


def _matches(pattern: str, name: str) -> bool:
    """``*`` anywhere; nothing else is special, since names come from outside."""
    return glob_matches(pattern, name) if "*" in pattern else pattern == name


def open_session(
    tx: Tx, memory: Memory, who: Introduction, nonce: str, secret: str, coordinator: str, now: int
) -> Session:
    """Begin, or go on with, one life of a runner.

    The nonce of the open session goes on with it. Another nonce is a reboot: what the old life
    was doing is lost. A nonce that was superseded before belongs to a process that has to give
    way to a newer one of the same name.
    """
    runner = register(tx, memory, who, now)
    digest = secret_digest(secret)
    before = tx.session_by_nonce(runner.id, nonce)
    if before is not None and before.end_reason == SUPERSEDED:
        raise Refused(
            f"another process has taken the name {who.name} since; give this one a name of its own",
            code=SUPERSEDED,
        )
    if before is not None and not before.ended_at:
        session = replace(before, secret_digest=digest)
        tx.update_session(session)
    else:
        _supersede(tx, memory, runner, now)
        session = tx.insert_session(
            Session(
                id=0,
                uuid=new_uuid(),
                runner=runner.id,
                protocol=who.protocol,
                nonce=nonce,
                secret_digest=digest,
                coordinator=coordinator,
                started_at=now,
            )
        )
        _tell(tx, "runner_connected", runner, now)
    tx.after_commit(lambda: memory.put_session(session))
    return session


def is_open(tx: Tx, session_id: int) -> bool:
    """Whether a life goes on; what is in memory follows the commit, so operations ask here."""
    session = tx.session(session_id)
    return session is not None and not session.ended_at


def _supersede(tx: Tx, memory: Memory, runner: Runner, now: int) -> None:
    for old in tx.open_sessions():
        if old.runner == runner.id:
            _tell(tx, "runner_rebooted", runner, now)
            end_session(tx, memory, old, SUPERSEDED, "the runner was started anew", now)


def close(
    tx: Tx, memory: Memory, session_id: int, reason: str, now: int, *, is_blameless: bool = False
) -> None:
    """A runner says good-bye, or its connection ended: its attempts are lost."""
    session = tx.session(session_id)
    if session is None or session.ended_at:
        return
    end_session(tx, memory, session, "closed", reason, now, is_blameless=is_blameless)


def leave(tx: Tx, memory: Memory, session_id: int, now: int) -> None:
    """A runner that ends says so. What it was just given never reached it, and goes back."""
    session = tx.session(session_id)
    if session is None or session.ended_at:
        return
    _tell(tx, "runner_left", memory.runners[session.runner], now)
    end_session(tx, memory, session, LEFT, "the runner ended", now, is_blameless=True)


def lose(
    tx: Tx,
    memory: Memory,
    session_id: int,
    now: int,
    *,
    reason: str = "no beat within its lease",
) -> None:
    """A runner is gone without a word: as a rule, the lease of its session ran out."""
    session = tx.session(session_id)
    if session is None or session.ended_at:
        return
    runner = memory.runners[session.runner]
    _tell(tx, "runner_lost", runner, now, reason=reason)
    lost = memory.traits_of(session.protocol).lost_message
    end_session(tx, memory, session, LOST, lost, now)


def revive(tx: Tx, memory: Memory, runner: Runner, nonce: str, coordinator: str, now: int) -> bool:
    """A life that counted as lost goes on after all; what it did before stays lost."""
    lost = tx.session_by_nonce(runner.id, nonce)
    if lost is None or lost.end_reason != LOST:
        return False
    if any(session.runner == runner.id for session in tx.open_sessions()):
        return False
    again = replace(
        lost,
        id=0,
        uuid=new_uuid(),
        coordinator=coordinator,
        started_at=now,
        ended_at=0,
        end_reason="",
    )
    session = tx.insert_session(again)
    _tell(tx, "runner_connected", runner, now, reason="it was there all the time")
    tx.after_commit(lambda: memory.put_session(session))
    return True


def end_session(
    tx: Tx,
    memory: Memory,
    session: Session,
    end_reason: str,
    message: str,
    now: int,
    *,
    is_blameless: bool = False,
) -> None:
    """End a session; every attempt it has is lost."""
    report = Report(tx, memory, now, actor="coordinator")
    for job, attempt in tx.live_attempts(session=session.id):
        outcome = Outcome("lost", message, is_blameless=is_blameless)
        if attempt.state == "abandoned":
            report.heard_of_abandoned(job, attempt, outcome)
        else:
            report.ended(job, attempt, outcome)
    report.write()
    ended = replace(session, ended_at=now, end_reason=end_reason)
    tx.update_session(ended)
    tx.after_commit(lambda: memory.drop_session(ended))


def forget(tx: Tx, memory: Memory, actor: Actor, runner_id: int, reason: str, now: int) -> None:
    """Take a runner that is gone off the lists; it comes back by introducing itself."""
    runner = known_runner(tx, runner_id)
    if memory.busy(runner_id):
        raise Refused(f"{runner.name} still holds jobs: drain it, or stop them first")
    if memory.is_connected(runner):
        raise Refused(f"{runner.name} is connected: end it first, or it would come right back")
    gone = replace(runner, is_forgotten=True)
    _change(tx, memory, gone, "runner_forgotten", actor, reason, now)


def drain(
    tx: Tx,
    memory: Memory,
    actor: Actor,
    runner_id: int,
    deadline_ms: int | None,
    reason: str,
    now: int,
) -> Runner:
    """Give a runner nothing new. Asking again changes the deadline and the reason."""
    runner = known_runner(tx, runner_id)
    draining = replace(
        runner,
        draining_since=runner.draining_since or now,
        drain_deadline=now + deadline_ms if deadline_ms is not None else 0,
        drain_reason=reason,
        drained_by=actor.name,
    )
    _change(tx, memory, draining, "runner_draining", actor, reason, now)
    return draining


def resume(tx: Tx, memory: Memory, actor: Actor, runner_id: int, reason: str, now: int) -> Runner:
    """End a drain: the runner takes jobs again."""
    runner = known_runner(tx, runner_id)
    if not runner.draining_since:
        raise Refused(f"{runner.name} is not draining")
    resumed = replace(runner, draining_since=0, drain_deadline=0, drain_reason="", drained_by="")
    _change(tx, memory, resumed, "runner_resumed", actor, reason, now)
    for session in memory.sessions_of(runner_id):
        tx.after_commit(_poking(memory, session.id))
    return resumed


def _poking(memory: Memory, session_id: int) -> Callable[[], None]:
    return lambda: memory.poke(session_id)


def known_runner(tx: Tx, runner_id: int) -> Runner:
    """A runner by row id, or NotFound."""
    runner = tx.runner(runner_id)
    if runner is None:
        raise NotFound("there is no such runner")
    return runner


def _change(
    tx: Tx,
    memory: Memory,
    runner: Runner,
    kind: EventKind,
    actor: Actor,
    reason: str,
    now: int,
) -> None:
    tx.update_runner(runner)
    tx.append(kind, at=now, runner=runner.id, actor=actor.name, reason=reason)
    tx.after_commit(lambda: memory.put_runner(runner))


def _tell(tx: Tx, kind: EventKind, runner: Runner, now: int, *, reason: str = "") -> None:
    tx.append(kind, at=now, runner=runner.id, actor=runner.name, reason=reason)

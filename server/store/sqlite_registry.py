# ruff: noqa: S608 - statements are put together from constants; values are always bound
"""Classes, queues, runners and sessions in a transaction: all in memory, all written through."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final

from server.model import JobClass, Runner, Session
from server.store.codes import STATE_CODE, json_texts, map_of, map_text, names_of
from server.store.sqlite_base import TxBase

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from server.model import JobState, Queue
    from server.store.codes import Row

RUNNER_FIELDS: Final = tuple(field.name for field in fields(Runner))
SESSION_FIELDS: Final = tuple(field.name for field in fields(Session))
SELECT_RUNNERS: Final = f"SELECT {', '.join(RUNNER_FIELDS)} FROM runners "
SELECT_SESSIONS: Final = f"SELECT {', '.join(SESSION_FIELDS)} FROM sessions "


def _insert(table: str, names: tuple[str, ...]) -> str:
    marks = ",".join("?" * len(names))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"


def _update(table: str, names: tuple[str, ...]) -> str:
    sets = ", ".join(f"{name} = ?" for name in names)
    return f"UPDATE {table} SET {sets} WHERE id = ?"


_INSERT_RUNNER: Final = _insert("runners", RUNNER_FIELDS[1:])
_UPDATE_RUNNER: Final = _update("runners", RUNNER_FIELDS[1:])
_INSERT_SESSION: Final = _insert("sessions", SESSION_FIELDS[1:])
_UPDATE_SESSION: Final = _update("sessions", SESSION_FIELDS[1:])
_SEEN: Final = "UPDATE runners SET last_seen_at = ? WHERE id = ?"


class RegistryOps(TxBase):
    """The part of a transaction that concerns what is known by name."""

    # classes and counters --------------------------------------------------------------

    def intern_class(
        self, queue: str, type: str, requires: Mapping[str, str], pin: int
    ) -> JobClass:
        memory = self.memory
        key = (queue, type, map_text(requires), pin)
        known = memory.class_ids.get(key)
        if known is not None:
            return memory.classes[known]
        cursor = self.db.execute(
            "INSERT INTO classes (queue, type, requires, pin) VALUES (?,?,?,?)", key
        )
        made = JobClass(cursor.lastrowid or 0, queue, type, dict(requires), pin)
        memory.put(memory.class_ids, key, made.id)
        memory.put(memory.classes, made.id, made)
        return made

    def job_class(self, class_id: int) -> JobClass:
        return self.memory.classes[class_id]

    def waiting_classes(self) -> Collection[JobClass]:
        return list(self.memory.waiting.values())

    def count(self, cls: int, state: JobState) -> int:
        return self.memory.counts.get((cls, STATE_CODE[state]), 0)

    def active_in_queue(self, queue: str) -> int:
        return self.memory.active.get(queue, 0)

    # queues ----------------------------------------------------------------------------

    def queue(self, name: str) -> Queue | None:
        return self.memory.queues.get(name)

    def queues(self) -> list[Queue]:
        return list(self.memory.queues.values())

    def put_queue(self, queue: Queue) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO queues (name, slots, stall_after_ms, paused_at, paused_by,"
            " pause_reason) VALUES (?,?,?,?,?,?)",
            (
                queue.name,
                queue.limit,
                queue.stall_after_ms,
                queue.paused_at,
                queue.paused_by,
                queue.pause_reason,
            ),
        )
        self.memory.put(self.memory.queues, queue.name, queue)

    # runners ---------------------------------------------------------------------------

    def runner(self, runner_id: int) -> Runner | None:
        return self.memory.runners.get(runner_id)

    def runner_by_uuid(self, uuid: str) -> Runner | None:
        known = self.memory.runner_uuids.get(uuid)
        return None if known is None else self.memory.runners[known]

    def runner_by_identity(self, protocol: str, identity: str) -> Runner | None:
        known = self.memory.identities.get((protocol, identity))
        return None if known is None else self.memory.runners[known]

    def runners(self) -> list[Runner]:
        return list(self.memory.runners.values())

    def insert_runner(self, runner: Runner) -> Runner:
        cursor = self.db.execute(_INSERT_RUNNER, _runner_row(runner))
        made = replace(runner, id=cursor.lastrowid or 0)
        self.memory.put_runner(made)
        return made

    def update_runner(self, runner: Runner) -> None:
        before = self.memory.runners.get(runner.id)
        if before == runner:
            return
        if before is not None and replace(before, last_seen_at=runner.last_seen_at) == runner:
            self.db.execute(_SEEN, (runner.last_seen_at, runner.id))
            self.memory.put(self.memory.runners, runner.id, runner)
            return
        if before is not None:
            self.memory.drop(self.memory.identities, (before.protocol, before.identity))
            self.memory.drop(self.memory.runner_uuids, before.uuid)
        self.db.execute(_UPDATE_RUNNER, (*_runner_row(runner), runner.id))
        self.memory.put_runner(runner)

    # sessions --------------------------------------------------------------------------

    def session(self, session_id: int) -> Session | None:
        return self.memory.sessions.get(session_id) or self._session("WHERE id = ?", session_id)

    def session_by_uuid(self, uuid: str) -> Session | None:
        known = self.memory.session_uuids.get(uuid)
        if known is not None:
            return self.memory.sessions[known]
        return self._session("WHERE uuid = ?", uuid)

    def session_by_nonce(self, runner_id: int, nonce: str) -> Session | None:
        where = "WHERE runner = ? AND nonce = ? ORDER BY id DESC LIMIT 1"
        return self._session(where, runner_id, nonce)

    def last_session(self, runner_id: int) -> Session | None:
        return self._session("WHERE runner = ? ORDER BY id DESC LIMIT 1", runner_id)

    def open_sessions(self) -> list[Session]:
        return list(self.memory.sessions.values())

    def insert_session(self, session: Session) -> Session:
        cursor = self.db.execute(_INSERT_SESSION, _session_row(session))
        made = replace(session, id=cursor.lastrowid or 0)
        self.memory.put_session(made)
        return made

    def update_session(self, session: Session) -> None:
        before = self.memory.sessions.get(session.id)
        if before is not None and before.uuid != session.uuid:
            self.memory.drop(self.memory.session_uuids, before.uuid)
        self.db.execute(_UPDATE_SESSION, (*_session_row(session), session.id))
        self.memory.put_session(session)

    def _session(self, where: str, *values: int | str) -> Session | None:
        row = self.db.read(SELECT_SESSIONS + where, values).fetchone()
        return None if row is None else Session(*row)


def _runner_row(runner: Runner) -> Row:
    values = [getattr(runner, name) for name in RUNNER_FIELDS[1:]]
    values[RUNNER_FIELDS.index("types") - 1] = json_texts(runner.types)
    values[RUNNER_FIELDS.index("labels") - 1] = map_text(runner.labels)
    values[-1] = int(runner.is_forgotten)
    return tuple(values)


def runner_of(row: Row) -> Runner:
    """A runner from the columns of :data:`RUNNER_FIELDS`."""
    values = list(row)
    types, labels = RUNNER_FIELDS.index("types"), RUNNER_FIELDS.index("labels")
    values[types] = names_of(row[types])
    values[labels] = map_of(row[labels])
    values[-1] = bool(row[-1])
    return Runner(*values)


def _session_row(session: Session) -> Row:
    return tuple(getattr(session, name) for name in SESSION_FIELDS[1:])

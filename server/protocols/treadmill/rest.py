"""Treadmill's REST, so that its own client can submit, list, watch and cancel jobs."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from server.errors import InvalidInput, NotFound, Refused
from server.http.exchange import header, read_body
from server.http.gate import address_of
from server.http.limits import MAX_BODY
from server.model import FINAL_STATES, Actor
from server.protocols.treadmill import views
from server.protocols.treadmill.jobs import job_id
from server.protocols.treadmill.registry import matching, tags_of
from server.protocols.treadmill.submits import NewJob, job_spec, predecessor
from server.store.base import JobQuery
from server.traits import TREADMILL
from server.wire.unreadable import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from server.coordinator import Coordinator, JobSnapshot
    from server.http.exchange import Receive, Scope, Send
    from server.protocols.treadmill.permissions import Clients, Holder
    from server.protocols.treadmill.registry import Supervisor
    from server.protocols.treadmill.switchboard import Switchboard
    from server.settings import TreadmillSettings

PREFIX = "/api/v1"
MAX_LISTED = 1_000
"""Jobs in one list, the newest; the original has no bound and no pages."""
_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_WORK = {"idle": ("idle", "disconnected"), "busy": ("busy", "busy_disconnected")}
_CONNECTION = {"connected": ("idle", "busy"), "disconnected": ("disconnected", "busy_disconnected")}


class Login(msgspec.Struct):
    user_identifier: str
    password: str


_new_job = msgspec.json.Decoder(NewJob)
_login = msgspec.json.Decoder(Login)


class Answer(NamedTuple):
    """A response, whole."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Asked(NamedTuple):
    """A request of somebody who was let in."""

    holder: Holder
    id: str
    """The one in the path, in the form we write ids; empty where the path has none."""
    query: Mapping[str, str]
    scope: Scope
    receive: Receive


def ok(**members: Any) -> Answer:
    return typed("ok", 200, **members)


def typed(kind: str, status_code: int, /, **members: Any) -> Answer:
    """A body that carries its ``type``; the status follows it."""
    return Answer(status_code, msgspec.json.encode({"type": kind, **members}), (_JSON,))


INVALID = typed("invalid", 404)
UNAUTHORIZED = typed("unauthorized", 403)
NO_SUPERVISOR = typed("supervisor_match_error", 404)
NO_ROUTE = Answer(404, b"no such route", (_TEXT,))


class RestApp:
    """The ASGI application."""

    def __init__(
        self,
        coordinator: Coordinator,
        switchboard: Switchboard,
        clients: Clients,
        settings: TreadmillSettings,
    ) -> None:
        self._coordinator = coordinator
        self._switchboard = switchboard
        self._clients = clients
        self._settings = settings
        self._routes: dict[tuple[str, ...], dict[str, Callable[[Asked], Awaitable[Answer]]]] = {
            ("jobs",): {"GET": self._jobs},
            ("jobs", "new"): {"POST": self._submit},
            ("jobs", "*", "status"): {"GET": self._job},
            ("jobs", "*"): {"DELETE": self._stop},
            ("supervisors",): {"GET": self._supervisors},
            ("supervisors", "*", "status"): {"GET": self._supervisor},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(scope, receive)
        length = (b"content-length", str(len(answer.body)).encode("ascii"))
        headers = [*answer.headers, length]
        start = {"type": "http.response.start", "status": answer.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path = tuple(scope["path"].removeprefix(f"{PREFIX}/").split("/"))
        if path == ("tokens", "login"):
            return await _refuse_login(scope, receive)
        if len(path) == 3 and path[0] == "supervisors" and path[2] == "connect":
            return _upgrade_required(scope)
        methods, wildcard = self._find(path)
        if methods is None:
            return NO_ROUTE
        handle = methods.get(scope["method"])
        if handle is None:
            return Answer(405, b"", ((b"allow", ", ".join(methods).encode("ascii")),))
        holder = self._clients.admit(header(scope, b"authorization"))
        if holder is None:
            return Answer(401)
        try:
            asked = Asked(
                holder, job_id(wildcard) if wildcard else "", _query(scope), scope, receive
            )
        except InvalidInput as error:
            return Answer(400, error.message.encode("utf-8", "replace"), (_TEXT,))
        return await handle(asked)

    def _find(
        self, path: tuple[str, ...]
    ) -> tuple[dict[str, Callable[[Asked], Awaitable[Answer]]] | None, str]:
        exact = self._routes.get(path)
        if exact is not None:
            return exact, ""
        if len(path) < 2:
            return None, ""
        return self._routes.get((path[0], "*", *path[2:])), path[1]

    # jobs ----------------------------------------------------------------------------------------

    async def _submit(self, asked: Asked) -> Answer:
        if not asked.holder.may("submit_job"):
            return UNAUTHORIZED
        body = await _decoded(asked.scope, asked.receive, _new_job)
        if isinstance(body, Answer):
            return body
        try:
            older_id = predecessor(body)
            older = await self._readable(asked.holder, older_id) if older_id else None
            if older_id and older is None:
                return INVALID
            now = self._coordinator.clock.now_ms()
            spec = job_spec(body, older, asked.holder, self._settings, now)
        except InvalidInput as error:
            return Answer(422, error.message.encode("utf-8", "replace"), (_TEXT,))
        if not self._candidates(asked.holder, body.tag_config):
            return NO_SUPERVISOR
        submitted = await self._coordinator.submit(_actor(asked), [spec])
        return ok(job_id=submitted[0].job.uuid)

    def _candidates(self, holder: Holder, tag_config: str) -> list[Supervisor]:
        """Registered supervisors that could take it, connected or not."""
        return [
            one
            for one in matching(self._switchboard.supervisors.values(), tags_of(tag_config))
            if holder.may(f"run_job_on_supervisor:{one.id}")
        ]

    async def _jobs(self, asked: Asked) -> Answer:
        """Those that its token submitted, or names; for ``admin`` too that is the rule there."""
        holder = asked.holder
        if not holder.may("list_jobs"):
            return UNAUTHORIZED
        page = await self._coordinator.store.reads.job_page(
            JobQuery(owner=holder.name, limit=MAX_LISTED)
        )
        ids = [row.job.uuid for row in page.rows if row.origin == TREADMILL.protocol]
        named = (entry.partition(":") for entry in holder.permissions)
        ids += [entry[2] for entry in named if entry[0] == "read_job_status"]
        jobs: dict[str, Any] = {}
        for uuid in dict.fromkeys(ids):
            snapshot = await self._readable(holder, uuid)
            if snapshot is not None:
                jobs[uuid] = self._status(snapshot)
        return ok(jobs=jobs)

    async def _job(self, asked: Asked) -> Answer:
        snapshot = await self._readable(asked.holder, asked.id)
        return INVALID if snapshot is None else ok(job_status=self._status(snapshot))

    async def _stop(self, asked: Asked) -> Answer:
        snapshot = await self._coordinator.job_with_attempt(asked.id)
        if snapshot is None or not asked.holder.may_with("stop_job", asked.id, snapshot.details):
            return INVALID
        if snapshot.job.state in FINAL_STATES:
            return ok()
        try:
            await self._coordinator.stop_job(_actor(asked), snapshot.job.id)
        except NotFound:
            return INVALID
        except Refused:
            return ok()  # it ended meanwhile
        return ok()

    async def _readable(self, holder: Holder, uuid: str) -> JobSnapshot | None:
        snapshot = await self._coordinator.job_with_attempt(uuid)
        if snapshot is None or not holder.may_with("read_job_status", uuid, snapshot.details):
            return None
        return snapshot

    def _status(self, snapshot: JobSnapshot) -> dict[str, Any]:
        runner = snapshot.runner
        supervisor = self._switchboard.supervisors.get(runner.identity) if runner else None
        return views.job_status(snapshot, supervisor, self._coordinator.clock.now_ms())

    # supervisors ---------------------------------------------------------------------------------

    async def _supervisors(self, asked: Asked) -> Answer:
        if not asked.holder.may("list_supervisors"):
            return UNAUTHORIZED
        wanted = _wanted(asked.query)
        if wanted is None:
            return Answer(400, b"work is idle or busy, conn is connected or disconnected", (_TEXT,))
        found: dict[str, Any] = {}
        for supervisor_id in self._switchboard.supervisors:
            if asked.holder.may(f"read_supervisor_status:{supervisor_id}"):
                status = await self._switchboard.status(supervisor_id)
                if status["status"] in wanted:
                    found[supervisor_id] = status
        return ok(supervisors=found)

    async def _supervisor(self, asked: Asked) -> Answer:
        is_known = asked.id in self._switchboard.supervisors
        if not (is_known and asked.holder.may(f"read_supervisor_status:{asked.id}")):
            return INVALID
        return ok(status=await self._switchboard.status(asked.id))


def _actor(asked: Asked) -> Actor:
    return Actor(asked.holder.name, "submit", TREADMILL.protocol, address_of(asked.scope))


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=20))


def _wanted(query: Mapping[str, str]) -> set[str] | None:
    """The statuses that a list's query asks for; None: it cannot be understood."""
    wanted = {status for statuses in _WORK.values() for status in statuses}
    for name, known in (("work", _WORK), ("conn", _CONNECTION)):
        word = query.get(name)
        if word is None:
            continue
        if word not in known:
            return None
        wanted &= set(known[word])
    return wanted


async def _refuse_login(scope: Scope, receive: Receive) -> Answer:
    """There are no users here, only tokens that the configuration names."""
    if scope["method"] != "POST":
        return Answer(405, b"", ((b"allow", b"POST"),))
    body = await _decoded(scope, receive, _login)
    return body if isinstance(body, Answer) else Answer(403)


def _upgrade_required(scope: Scope) -> Answer:
    if scope["method"] != "GET":
        return Answer(405, b"", ((b"allow", b"GET"),))
    words = b"supervisors connect here by WebSocket"
    return Answer(HTTPStatus.UPGRADE_REQUIRED, words, (_TEXT, (b"upgrade", b"websocket")))


async def _decoded(scope: Scope, receive: Receive, decoder: msgspec.json.Decoder[Any]) -> Any:
    """The body, or the answer that it is none: 415, 400 for what is no JSON, 422 for another."""
    if (header(scope, b"content-type") or "").partition(";")[0].strip() != "application/json":
        return Answer(415, b"Expected request with `Content-Type: application/json`", (_TEXT,))
    raw = await read_body(scope, receive, MAX_BODY)
    try:
        return decoder.decode(raw.decode("utf-8"))
    except msgspec.ValidationError as error:
        return Answer(422, str(error)[:300].encode("utf-8", "replace"), (_TEXT,))
    except UNREADABLE:
        return Answer(400, b"the body is no JSON", (_TEXT,))

"""What a route is: the facts from which serving, documenting and testing it all follow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias
from urllib.parse import unquote

import msgspec

from server.errors import InvalidInput, NotFound
from server.http.limits import MAX_BODY
from server.http.queries import Query
from server.wire.operator import ReasonRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from server.http.exchange import Receive, Scope, Send
    from server.model import Actor
    from server.operator import OperatorApi
    from server.roles import Power

PREFIX = "/api/operator/v1"
MAX_SEGMENT = 600
"""Longest name in a path, in characters."""


class Call(NamedTuple):
    """One request, let in and decoded."""

    actor: Actor
    """Nobody where no key is needed."""
    params: Mapping[str, str]
    query: Any
    body: Any
    scope: Scope


class Reply(NamedTuple):
    """An answer that is no JSON."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Stream(NamedTuple):
    """An answer that goes on: it is sent by ``run``."""

    run: Callable[[Receive, Send], Awaitable[None]]


Answer: TypeAlias = "msgspec.Struct | Reply | Stream | None"
Handler: TypeAlias = "Callable[[OperatorApi, Call], Awaitable[Answer]]"


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the operator API."""

    method: str
    path: str
    """Below the prefix; ``{name}`` stands for one segment."""
    power: Power | None
    """What a key must be able to do; None: no key is needed."""
    summary: str
    handle: Handler
    answer: Any = None
    """Type of the JSON answered, or several; None: something else, or nothing."""
    status: int = 200
    query: type[Query] = Query
    body: Any = None
    """Type of the JSON taken; None: a body is not looked at."""
    max_body: int = MAX_BODY
    content_type: str = ""
    """Of an answer that is no JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the answer worth knowing, with what they say."""
    request_headers: Mapping[str, str] = field(default_factory=dict)
    extra_statuses: tuple[int, ...] = ()
    """Beyond ``status`` and the errors that follow from the rest."""

    @property
    def answers(self) -> tuple[Any, ...]:
        """Types of the JSON answered."""
        if self.answer is None:
            return ()
        return self.answer if isinstance(self.answer, tuple) else (self.answer,)

    @property
    def is_mutation(self) -> bool:
        return self.method != "GET"

    @property
    def body_is_optional(self) -> bool:
        """Whether nothing sent stands for everything left out."""
        return (
            isinstance(self.body, type)
            and issubclass(self.body, msgspec.Struct)
            and all(not info.required for info in msgspec.structs.fields(self.body))
        )

    def error_statuses(self) -> list[int]:
        """Statuses of the errors that this call may answer with."""
        statuses = {400, 401, 403, 429, 503, *(s for s in self.extra_statuses if s >= 400)}
        if "{" in self.path:
            statuses.add(404)
        if self.is_mutation:
            statuses.add(409)
        if self.body is not None:
            statuses |= {408, 413}
        return sorted(statuses)


def reason_of(call: Call) -> ReasonRequest:
    """Of a deletion: in the body, or in the query, as not every client can send a body."""
    return ReasonRequest(reason=call.body.reason or call.query.reason)


def segment(raw: str) -> str:
    """One segment of a path as text. It is unquoted here, as names may hold a slash."""
    try:
        text = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        raise InvalidInput("the path is not UTF-8") from None
    if len(text) > MAX_SEGMENT:
        raise NotFound(f"there is nothing called {text[:60]}...: no name is that long")
    return text

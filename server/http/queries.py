"""Query strings: what each call takes, decoded as strictly as bodies are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, Struct

from server.errors import InvalidInput
from server.http.exchange import shortened
from server.wire.misfits import misfit
from server.wire.operator import Reason  # noqa: TC001  # msgspec reads it at run time

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_FIELDS = 50
MAX_INTEGER = 2**62

PageSize = Annotated[int, Meta(ge=1, le=1_000, description="How many at most.")]
Sequence_ = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Word = Annotated[str, Meta(max_length=300)]
Flag = Literal["true", "false"]


class Query(Struct, kw_only=True, forbid_unknown_fields=True):
    """Base: a call without parameters of its own."""


class JobsQuery(Query):
    filter: Annotated[str, Meta(max_length=2_000)] = ""
    limit: PageSize = 100
    after: Annotated[str, Meta(max_length=500, description="`next` of the page before.")] = ""
    order: Literal["number", "-number", "since", "-since", "priority", "-priority"] = "-number"
    numbers: Annotated[
        str, Meta(max_length=20_000, description="Only these jobs: numbers with commas between.")
    ] = ""


class GroupsQuery(Query):
    by: Annotated[
        Literal["error", "type", "runner", "queue"],
        Meta(description="error: by its cause, which is the text less numbers, ids and addresses."),
    ] = "error"
    filter: Annotated[str, Meta(max_length=2_000)] = ""
    limit: PageSize = 100


class OutputQuery(Query):
    attempt: Annotated[Word, Meta(description="An attempt's number or id; default: newest.")] = ""
    stream: Literal["", "stdout", "stderr", "console"] = ""
    offset: (
        Annotated[
            int,
            Meta(ge=-MAX_INTEGER, le=MAX_INTEGER, description="Below 0: counted from the end."),
        ]
        | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=4_194_304)] | None = None
    search: Annotated[str, Meta(min_length=1, max_length=1_000)] | None = None
    direction: Literal["forward", "backward"] | None = None


class EventsQuery(Query):
    after: (
        Annotated[Sequence_, Meta(description="Oldest first, from the one after this.")] | None
    ) = None
    before: Sequence_ | None = None
    job: Annotated[Word, Meta(min_length=1)] | None = None
    runner: Annotated[Word, Meta(min_length=1)] | None = None
    actor: Annotated[Word, Meta(min_length=1)] | None = None
    limit: PageSize = 100


class LateWritesQuery(Query):
    before: Sequence_ | None = None
    limit: PageSize = 100


class ReasonQuery(Query):
    """For calls whose method takes no body everywhere."""

    reason: Reason = ""


Q = TypeVar("Q", bound=Query)


def parse_query(query_string: bytes, into: type[Q]) -> Q:
    """Decode a query string; whatever is wrong with it becomes InvalidInput in words."""
    if not query_string:
        return into()
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise InvalidInput("the query is not of the form name=value&name=value in UTF-8") from None
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise InvalidInput(f"the query gives {name[:60]!r} more than once")
    try:
        return msgspec.convert(dict(pairs), into, strict=False)
    except msgspec.ValidationError as error:
        words = shortened(misfit(error, into, whole="it", part="parameter"))
        raise InvalidInput(f"the query is not what is expected here: {words}") from None


def numbers_of(text: str) -> Sequence[int] | None:
    """Job numbers out of ``1,2,3``; None: not given."""
    if not text:
        return None
    parts = text.split(",")
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) <= 18):
            raise InvalidInput(f"numbers: {part[:30]!r} is no job number")
    return [int(part) for part in parts]

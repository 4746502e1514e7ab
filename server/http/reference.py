"""Writes ``docs/operator-api.md`` from the route table: ``python -m server.http.reference``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from server.http.operator_routes import ROUTES
from server.http.routes import PREFIX
from server.roles import POWERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.http.routes import Route

HEAD = f"""\
# The operator API

Made from the route table in `server/http/operator_routes.py` by
`python -m server.http.reference`; a test holds them together. A running coordinator serves the
same as OpenAPI 3.1 under `/openapi.json`, with every field.

All paths lie under `{PREFIX}`. Send a key as `Authorization: Bearer KEY`. Times are milliseconds
since the epoch, 0 where there is none. A job is named by its number, its UUID, or at least six
characters of the UUID's beginning; a runner by name, id, or the beginning of its id. Names in a
path are percent-encoded. Unknown fields and parameters are refused.

A job that waits (`scheduled`, `pending`) is on no runner and in no try, also when it was tried
before: its `runner` and `progress` are null, `phase` is empty, `quiet_since` and the times
`started` and `ended` are 0. What its tries did is told by the job alone, `GET /jobs/{{job}}`; its
`error` is the last one's.

Errors have a fitting status and say what to do:

```json
{{"error": {{"code": "not_found", "message": "there is no job 52118", "details": null}}}}
```

```sh
curl -H "Authorization: Bearer $KEY" "$URL{PREFIX}/jobs?filter=state:failed+age<1h"
curl -H "Authorization: Bearer $KEY" -d '{{"type": "fib", "params": {{"n": 30}}}}' \\
  "$URL{PREFIX}/jobs"
curl -N -H "Authorization: Bearer $KEY" -H "Accept: text/event-stream" \\
  "$URL{PREFIX}/events?after=0"
```

## The event stream

Each fact is one event whose `id` is its sequence number and whose data is an event as in the
pages. A client that lost its connection sends the last id as `after` or `Last-Event-ID` and
misses nothing. `event: notice` tells of progress and output; it has no id and is never sent
again. `event: resync` says that something was missed: load everything anew. A comment comes every
two seconds when there is nothing else.

## Calls
"""


def markdown() -> str:
    """The page, whole."""
    return "\n".join([HEAD, *(_call(route) for route in ROUTES)])


def _call(route: Route) -> str:
    roles = ", ".join(role for role, powers in POWERS.items() if route.power in powers)
    lines = [f"### `{route.method} {route.path}`", "", route.summary, "", f"- Keys: {roles}"]
    lines += _fact("Query", _fields(route.query))
    lines += _fact("Headers", route.request_headers)
    if route.body is not None:
        optional = "; may be left out" if route.body_is_optional else ""
        lines.append(f"- Body{optional}: {_bodies(route.body)}")
    lines.append(f"- Answer: {_answer(route)}")
    lines += _fact("Answer's headers", route.headers)
    return "\n".join([*lines, ""])


def _fact(title: str, names: Iterable[str]) -> list[str]:
    listed = ", ".join(f"`{name}`" for name in names)
    return [f"- {title}: {listed}"] if listed else []


def _fields(struct: Any) -> list[str]:
    """Fields of a message; those that may be left out end with ``?``."""
    return [
        field.encode_name + ("" if field.required else "?")
        for field in msgspec.structs.fields(struct)
    ]


def _bodies(body: Any) -> str:
    """What a body holds; a union of one and a list of it is said as such."""
    choices = get_args(body)
    if choices:
        return f"{_bodies(choices[0])}, or a list of these"
    return ", ".join(f"`{name}`" for name in _fields(body))


def _answer(route: Route) -> str:
    kinds = [f"`{kind.__name__}`" for kind in route.answers]
    if route.content_type:
        kinds.append(f"`{route.content_type}`")
    return f"{route.status} {' or '.join(kinds)}".strip()


if __name__ == "__main__":
    sys.stdout.write(markdown())

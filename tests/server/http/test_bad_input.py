"""What is wrong, on every route: a 4xx with words, never a 5xx, and the service goes on."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from server.http.operator_routes import ROUTES
from server.http.routes import PREFIX, Route
from tests.server.http.test_roles import concrete
from tests.server.http.world import DEADLINE_SECONDS, World, secret_of, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BODIES: dict[str, bytes] = {
    "cut off": b'{"type": "a"',
    "no JSON": b"type=a&queue=b",
    "NaN": b'{"priority": NaN}',
    "trailing": b"{} {}",
    "number": b"17",
    "text": b'"stop"',
    "true": b"true",
    "list of lists": b"[[[]]]",
    "unknown field": b'{"no_such_field": 1}',
    "bad UTF-8": b'{"reason": "\xff\xfe", "type": "\xff"}',
    "bad UTF-8 in raw": b'{"type": "a", "params": "\xff"}',
    "half a pair": b'{"type": "a", "reason": "\\ud800", "params": {"a": "\\ud800"}}',
    "NUL": b"\x00" * 20,
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "deep params": b'{"type": "a", "params": ' + b"[" * 900 + b"]" * 900 + b"}",
    "deep open": b'{"a":' * 50_000,
    "huge number": b'{"priority": 1' + b"0" * 5_000 + b"}",
    "byte order mark": b"\xef\xbb\xbf{}x",
}
"""Bodies that no call takes."""

QUERIES = [
    "no_such_parameter=1",
    "limit=abc",
    "limit=0",
    "limit=-1",
    "limit=999999999999999999999999",
    "limit=1&limit=2",
    "limit",
    "&&&=",
    "=",
    "%ff=%fe",
    "filter=%ff",
    "after=%00%00x&before=nan",
    "&".join(f"p{number}=1" for number in range(200)),
    "x" * 5_000,
]

BAD_HEADERS = ["", "Bearer", "Basic YTpi", "Bearer \xe4\xf6", f"Bearer {'x' * 4000}"]

WITH_BODY = [route for route in ROUTES if route.body is not None]
WITH_NAME = [route for route in ROUTES if "{" in route.path]


def name(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with served() as world:
        await world.submit()
        yield world


def wrong_types(route: Route) -> list[dict[str, Any]]:
    """The route's body with each field in turn of a type, or beyond a bound, that it never has."""
    from tests.server.http.world import DOCUMENT

    schema = DOCUMENT["paths"][PREFIX + route.path][route.method.lower()]["requestBody"]
    shown = json.dumps(schema)
    [kind] = {word for word in DOCUMENT["components"]["schemas"] if f"/{word}" in shown}
    fields = DOCUMENT["components"]["schemas"][kind]["properties"]
    free = {field for field, facts in fields.items() if facts in ({}, {"default": None})}
    values: list[Any] = [[1, [2]], {"x": {"y": 1}}, -(10**12), "x" * 20_000, 1.5e300]
    return [{field: value} for field in fields if field not in free for value in values]


async def expect_words(world: World, route: Route, what: str, answer: Any) -> None:
    assert 400 <= answer.status_code < 500, (name(route), what, answer.status_code, answer.text)
    error = answer.json()["error"]
    assert error["code"], (name(route), what)
    assert 10 < len(error["message"]) < 1_000, (name(route), what, error)


@pytest.mark.parametrize("route", WITH_BODY, ids=name)
async def test_bad_bodies(world: World, route: Route) -> None:
    path = concrete(route.path)
    for what, body in BODIES.items():
        answer = await world.call(route.method, path, content=body, role="admin")
        await expect_words(world, route, what, answer)
    for fields in wrong_types(route):
        answer = await world.call(route.method, path, fields, role="admin")
        await expect_words(world, route, str(fields)[:80], answer)
    await still_serves(world)


@pytest.mark.parametrize("route", WITH_BODY, ids=name)
async def test_huge_bodies_are_refused_before_and_while_they_are_read(
    world: World, route: Route
) -> None:
    path = concrete(route.path)
    stated = await raw(world, route, path, b"Content-Length: 99999999999\r\n", b"[")
    assert stated.startswith(b"HTTP/1.1 413 "), stated[:300]
    chunk = b" " * 65_536
    parts = (route.max_body // len(chunk) + 2) * (b"%x\r\n%b\r\n" % (len(chunk), chunk))
    endless = await raw(world, route, path, b"Transfer-Encoding: chunked\r\n", parts)
    assert endless.startswith(b"HTTP/1.1 413 "), endless[:300]
    assert b"connection: close" in endless.lower()
    await still_serves(world)


@pytest.mark.parametrize("route", ROUTES, ids=name)
async def test_bad_queries_and_keys(world: World, route: Route) -> None:
    path = concrete(route.path)
    for query in QUERIES:
        answer = await world.call(route.method, f"{path}?{query}", role="admin")
        await expect_words(world, route, query[:50], answer)
    for header in BAD_HEADERS:
        answer = await world.http.request(
            route.method,
            PREFIX + path,
            headers=[(b"authorization", header.encode("latin-1"))],
        )
        assert answer.status_code == 401, (name(route), header)
        assert answer.json()["error"]["message"]
    await still_serves(world)


@pytest.mark.parametrize("route", WITH_NAME, ids=name)
async def test_bad_names_in_paths(world: World, route: Route) -> None:
    names = [
        "0",
        "99999999",
        "9" * 400,
        "-1",
        "zz",
        "ffffff",
        "01900000-0000-7000-8000-000000000000",
        "%ff%fe",
        "%00",
        "%2e%2e%2f",
        "%F0%9F%92%A9",
        "a" * 5_000,
        "%5Bx%5D%1b%5B31m",
        "'%20OR%201=1--",
        "%25",
    ]
    for text in names:
        path = route.path.replace("{job}", text).replace("{runner}", text)
        path = path.replace("{queue}", text).replace("{name}", text)
        body = {} if route.body_is_optional else GOOD_BODIES.get(name(route))
        answer = await world.call(route.method, path, body, role="admin")
        await expect_words(world, route, text[:50], answer)
    await still_serves(world)


GOOD_BODIES: dict[str, dict[str, Any]] = {
    "POST /jobs/{job}/priority": {"priority": 1},
    "POST /queues/{queue}/limit": {"limit": 1},
}


async def test_paths_and_methods_that_do_not_exist(world: World) -> None:
    for below in ("/nothing", "", "/", "/jobs/", "/jobs/1/nope", "/%2e%2e/jobs"):
        path = PREFIX + below
        answer = await world.http.get(path, headers={"Authorization": "Bearer x"})
        assert answer.status_code == 404, path
        assert answer.json()["error"]["code"] == "no_route"
    answer = await world.http.put(f"{PREFIX}/jobs")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert answer.json()["error"]["code"] == "method_not_allowed"
    answer = await world.http.request("BREW", f"{PREFIX}/stats")
    assert answer.status_code in (400, 405)
    options = await world.http.options(f"{PREFIX}/runners/x")
    assert (options.status_code, options.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS")
    key = {"Authorization": f"Bearer {secret_of('operator')}"}
    head = await world.http.head(f"{PREFIX}/jobs", headers=key)
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 50
    key["Accept"] = "text/event-stream"
    stream = await world.http.head(f"{PREFIX}/events", headers=key)
    assert stream.status_code == 200


async def test_filters_that_make_no_sense_say_where(world: World) -> None:
    words = await world.bad(400, "GET", "/jobs", params={"filter": "state:nonsense"})
    assert "nonsense" in words
    await world.bad(400, "GET", "/jobs", params={"filter": "age>soon"})
    await world.bad(400, "GET", "/jobs", params={"after": "not a cursor"})
    await world.bad(400, "GET", "/jobs", params={"order": "size"})
    await world.bad(400, "GET", "/jobs", params={"numbers": "1,,2"})
    await world.bad(400, "GET", "/jobs", params={"numbers": "1," * 2_000 + "1"})


async def test_what_does_not_fit_is_told_by_its_name(world: World) -> None:
    words = await world.bad(400, "GET", "/jobs", params={"limt": "3"})
    assert "it has no parameter 'limt'; did you mean limit?" in words
    words = await world.bad(400, "GET", "/jobs", params={"limit": "many"})
    assert "limit is to be a whole number, not text" in words
    body = [{"type": "a", "prioritty": 1}]
    answer = await world.call("POST", "/jobs", body, role="admin")
    assert answer.status_code == 400
    words = answer.json()["error"]["message"]
    assert words.endswith("[0] has no field 'prioritty'; did you mean priority?")


async def still_serves(world: World) -> None:
    page = await world.good("GET", "/jobs")
    assert page["jobs"][-1]["number"] == 1
    assert (await world.http.get("/livez")).status_code == 200


async def raw(world: World, route: Route, path: str, header: bytes, body: bytes) -> bytes:
    """Send bytes as they are; gives what is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
    head = f"{route.method} {PREFIX}{path} HTTP/1.1\r\nHost: x\r\n".encode()
    key = f"Authorization: Bearer {secret_of('admin')}\r\n".encode()
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            writer.write(head + key + header + b"\r\n" + body)
            return await reader.read(4_096)
    finally:
        writer.close()

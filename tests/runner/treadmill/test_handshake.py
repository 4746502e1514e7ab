"""Getting into a switchboard: what is sent, what has to come back, what is told of the rest."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from tests.runner.recording import until
from tests.runner.treadmill.serving import supervisor
from tests.runner.treadmill.switchboard import (
    CONFIG_S,
    CONFIG_S2,
    SUPERVISOR,
    TOKEN,
    UNION,
    Switchboard,
    serving,
)
from traffic_tui.runner import Registry
from traffic_tui.runner.connectors.treadmill_handshake import (
    NotConnected,
    checked_id,
    checked_token,
    checked_url,
    keepalive_of,
)
from traffic_tui.runner.connectors.treadmill_socket import PingedConnection
from traffic_tui.runner.errors import RunnerError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traffic_tui.runner.connectors.treadmill.RECONNECT_SECONDS", 0.05)


async def test_the_request_is_that_of_the_original(tmp_path: Path) -> None:
    """Apart from the Host, which has a port here as HTTP wants it."""
    asked: list[bytes] = []

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    server = await asyncio.start_server(attend, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with supervisor(f"ws://127.0.0.1:{port}/", tmp_path, Registry()):
            await until(lambda: asked)
    first, *lines = asked[0].decode().removesuffix("\r\n\r\n").split("\r\n")
    assert first == f"GET /api/v1/supervisors/{SUPERVISOR}/connect HTTP/1.1"
    headers = dict(line.split(": ", 1) for line in lines)
    assert len(headers) == len(lines)
    told = {name.lower(): value for name, value in headers.items()}
    assert len(told.pop("sec-websocket-key")) == 24
    assert told == {
        "host": f"127.0.0.1:{port}",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-protocol": "treadmillv1",
        "authorization": f"Bearer {TOKEN}",
    }


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        (CONFIG_S, 10.0),
        (UNION, 10.0),
        (CONFIG_S2, None),
        ("{}", None),
        ('{"keepalive":{"ping_interval":"2","keepalive":"90"}}', 90.0),
        ('{"keepalive":{"ping_interval":"2s","keepalive":"1m 30s"},"more":[{}]}', 90.0),
        ('{"keepalive":{"ping_interval":"2s","keepalive":"1.5h"}}', 5400.0),
        ('{"keepalive":{"ping_interval":"2s","keepalive":".5s"}}', 0.5),
        ('{"keepalive":{"ping_interval":"2s","keepalive":"2e3ms"}}', 2.0),
        ('{"keepalive":{"ping_interval":"2s","keepalive":"inf"}}', float("inf")),
    ],
)
async def test_what_is_told_of_keepalive(
    config: str, seconds: float | None, switchboard: Switchboard, tmp_path: Path
) -> None:
    assert keepalive_of(config).ping_within_seconds == seconds
    switchboard.config = config
    async with supervisor(switchboard.url, tmp_path, Registry()):
        await switchboard.connected()
        assert await switchboard.ask() == {"type": "idle"}


@pytest.mark.parametrize(
    "config",
    [
        "",
        "[]",
        "pigeon",
        '{"keepalive":{}}',
        '{"keepalive":{"keepalive":10}}',
        '{"keepalive":{"keepalive":"soon"}}',
        '{"keepalive":{"keepalive":""}}',
        '{"keepalive":{"keepalive":"10 s"}}',
        '{"protocol":{"major":2}}',
        "[" * 50_000,
    ],
)
def test_what_is_no_configuration_of_a_socket(config: str) -> None:
    with pytest.raises(NotConnected):
        keepalive_of(config)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"refusal": HTTPStatus.FORBIDDEN}, "its id and the token do not belong together"),
        ({"refusal": HTTPStatus.NOT_FOUND}, "there is no Treadmill switchboard at this address"),
        ({"refusal": HTTPStatus.UPGRADE_REQUIRED}, "it answered with status 426"),
        ({"refusal": HTTPStatus.INTERNAL_SERVER_ERROR}, "it answered with status 500"),
        ({"refusal": HTTPStatus.FOUND, "elsewhere": "/"}, "it answered with status 302"),
        ({"config": None}, "its answer has no header tml-socket-config"),
        ({"config": "pigeon"}, "its header tml-socket-config cannot be read"),
        ({"config": '{"protocol":{"major":7}}'}, "it speaks version 7"),
        ({"speaks": False}, "it does not speak treadmillv1"),
    ],
)
async def test_a_bad_handshake_is_told_once_and_tried_again(
    facts: dict[str, object],
    words: str,
    switchboard: Switchboard,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "traffic_tui")
    for name, value in facts.items():
        setattr(switchboard, name, value)
    async with supervisor(switchboard.url, tmp_path, Registry()):
        await until(lambda: len(switchboard.requests) >= 3)
        told = [record.getMessage() for record in caplog.records if words in record.getMessage()]
        assert len(told) == 1
        assert TOKEN[:20] not in caplog.text
        fresh = Switchboard()
        switchboard.refusal, switchboard.elsewhere = None, ""
        switchboard.config, switchboard.speaks = fresh.config, True
        await until(lambda: "serving ws://" in caplog.text)
        assert await switchboard.ask() == {"type": "idle"}


async def test_a_wrong_token_is_refused(
    switchboard: Switchboard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = TOKEN.swapcase()
    async with supervisor(switchboard.url, tmp_path, Registry(), token=wrong):
        await until(lambda: len(switchboard.requests) >= 2)
        await until(lambda: "do not belong together" in caplog.text)
    assert switchboard.connections == []


async def test_the_token_goes_to_no_other_address(switchboard: Switchboard, tmp_path: Path) -> None:
    other = Switchboard()
    async with serving(other):
        switchboard.refusal = HTTPStatus.TEMPORARY_REDIRECT
        switchboard.elsewhere = f"{other.url}/api/v1/supervisors/{SUPERVISOR}/connect"
        async with supervisor(switchboard.url, tmp_path, Registry()):
            await until(lambda: len(switchboard.requests) >= 3)
    assert other.requests == []


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 101 x\r\n\r\n", b"\x00" * 99])
async def test_what_speaks_no_websocket(
    answer: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = 0

    async def attend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        with contextlib.suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(attend, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with supervisor(f"ws://127.0.0.1:{port}", tmp_path, Registry()):
            await until(lambda: asked >= 2)
    assert "this is no Treadmill switchboard" in caplog.text
    assert "Traceback" not in caplog.text


async def test_nobody_there_and_then_somebody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Switchboard()) as before:
        port = int(before.url.rpartition(":")[2])
    async with supervisor(before.url, tmp_path, Registry()):
        await until(lambda: "trying again each second" in caplog.text)
        async with serving(Switchboard(), port) as after:
            await after.connected()
            assert await after.ask() == {"type": "idle"}


async def test_a_connection_that_ends_at_once_is_tried_again(
    switchboard: Switchboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = 0
    made = PingedConnection.connection_made

    def cut_twice(connection: PingedConnection, transport: asyncio.BaseTransport) -> None:
        nonlocal cut
        made(connection, transport)
        if cut < 2:
            cut += 1
            connection.transport.abort()

    monkeypatch.setattr(PingedConnection, "connection_made", cut_twice)
    async with supervisor(switchboard.url, tmp_path, Registry()):
        await switchboard.connected()
    assert cut == 2


@pytest.mark.parametrize(
    ("url", "as_sent"),
    [
        ("ws://host:8700", "ws://host:8700"),
        ("ws://host:8700/", "ws://host:8700"),
        ("wss://host", "wss://host"),
        ("http://[::1]:8700", "ws://[::1]:8700"),
        ("https://host/lab/", "wss://host/lab"),
    ],
)
def test_addresses(url: str, as_sent: str) -> None:
    assert checked_url(url) == as_sent


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:8700",
        "ws://",
        "ftp://host",
        "ws://host:0",
        "ws://host:x",
        "ws://h/?a=b",
        "ws://h#x",
    ],
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(RunnerError, match="is no switchboard's address"):
        checked_url(url)


def test_a_token_in_the_address_is_not_repeated() -> None:
    with pytest.raises(RunnerError) as caught:
        checked_url("ws://me:hunter2@host:8700")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "bench-1", "7d55ec6d", "\x1b[31m" * 50])
def test_what_is_no_supervisors_id(name: str) -> None:
    with pytest.raises(RunnerError, match="--name has to be the UUID") as caught:
        checked_id(name)
    assert "\x1b" not in str(caught.value)


def test_ids_are_written_as_the_original_does() -> None:
    assert checked_id(SUPERVISOR.upper()) == SUPERVISOR
    assert checked_id(f"{{{SUPERVISOR}}}") == SUPERVISOR


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "a supervisor's token is needed"),
        ("secretly", "the token has 6 bytes"),
        (TOKEN.rstrip("="), "no padded base64"),
        (TOKEN[:-4] + "!!!=", "no padded base64"),
        ("\u00fc" * 172, "no padded base64"),
        ("-_" * 86, "no padded base64"),
    ],
)
def test_what_is_no_token(token: str, words: str) -> None:
    with pytest.raises(RunnerError, match=words) as caught:
        checked_token(token)
    assert not token or token not in str(caught.value)

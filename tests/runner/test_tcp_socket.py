"""Where an RRQ runner may listen, and who says so."""

from __future__ import annotations

import pytest

from traffic_tui.runner import ENV_RUNNER_TCP_SOCKET, parse_tcp_socket
from traffic_tui.runner.tcp_socket import TcpSocket, check_loopback, told_tcp_socket


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9000", "127.0.0.1", 9000),
        ("127.200.0.9:1", "127.200.0.9", 1),
        ("localhost:65535", "127.0.0.1", 65535),
        ("[::1]:9000", "::1", 9000),
        ("::1:9000", "::1", 9000),
        (" 127.0.0.1:9000\n", "127.0.0.1", 9000),
        ("[0:0::1]:9000", "::1", 9000),
    ],
)
def test_addresses_of_this_box(text: str, host: str, port: int) -> None:
    address = parse_tcp_socket(text)
    assert address == (host, port)
    assert parse_tcp_socket(str(address)) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "'' is no address; it looks like 127.0.0.1:9000"),
        ("9000", "'9000' is no address"),
        (":9000", "':9000' is no address"),
        ("[::1]", "'[::1]' is no address"),
        ("[::1]9000", "is no address"),
        ("127.0.0.1", "is no address"),
        ("127.0.0.1:", "'' is no port; a port is a number from 1 to 65535"),
        ("127.0.0.1:0", "'0' is no port"),
        ("127.0.0.1:65536", "'65536' is no port"),
        ("127.0.0.1:-1", "'-1' is no port"),
        ("127.0.0.1:٣", "is no port"),
        ("127.0.0.1:9_0", "is no port"),
        ("127.0.0.1:" + "9" * 5000, "is no port"),
        ("0.0.0.0:9000", "0.0.0.0 can be reached from elsewhere"),
        ("[::]:9000", ":: can be reached from elsewhere"),
        ("10.1.2.3:9000", "10.1.2.3 can be reached from elsewhere"),
        ("[::ffff:127.0.0.1]:9000", "can be reached from elsewhere"),
        ("[::1%lo]:9000", "can be reached from elsewhere"),
        ("example.org:9000", "'example.org' is no address of this box"),
        ("LOCALHOST:9000", "'LOCALHOST' is no address of this box"),
        ("\x1b[31m:9000", "is no address of this box"),
    ],
)
def test_refusals_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError) as refusal:
        parse_tcp_socket(text)
    assert words in str(refusal.value)
    assert "\x1b" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_addresses_made_by_hand_are_looked_at_too() -> None:
    assert check_loopback(TcpSocket("localhost", 0)) == ("127.0.0.1", 0)
    for address in (TcpSocket("0.0.0.0", 9000), TcpSocket("127.0.0.1", 70_000)):
        with pytest.raises(ValueError, match=r"elsewhere|no port 70000"):
            check_loopback(address)


def test_who_started_it_says_where_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV_RUNNER_TCP_SOCKET, raising=False)
    assert told_tcp_socket([]) is None
    assert told_tcp_socket(["-v", "--tcp-socket", "localhost:1"]) == ("127.0.0.1", 1)
    assert told_tcp_socket(["--tcp-socket=[::1]:2"]) == ("::1", 2)
    with pytest.raises(ValueError, match="followed by an address"):
        told_tcp_socket(["--tcp-socket"])
    monkeypatch.setenv(ENV_RUNNER_TCP_SOCKET, "127.0.0.1:3")
    assert told_tcp_socket([]) == ("127.0.0.1", 3)
    assert told_tcp_socket([], has_default=True) is None
    assert told_tcp_socket(["--tcp-socket", "127.0.0.1:4"]) == ("127.0.0.1", 4)

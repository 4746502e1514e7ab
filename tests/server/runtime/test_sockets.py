"""Binding the port: which addresses, and what is said when it cannot be."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest

from server.runtime.problems import RuntimeProblem
from server.runtime.sockets import (
    bind_sockets,
    exposure_warnings,
    is_loopback,
    plain_url,
    reachable_url,
)
from server.settings import ServerSettings, TlsSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_is_known_as_such(host: str) -> None:
    bound = bind_sockets(host, 0)
    try:
        assert len({opened.getsockname()[1] for opened in bound}) == 1
        assert is_loopback(bound)
        assert exposure_warnings(ServerSettings(host=host), bound) == []
    finally:
        for opened in bound:
            opened.close()


def test_beyond_loopback_without_tls_is_warned_of() -> None:
    everywhere = ServerSettings(host="0.0.0.0")
    with socket.socket() as bound:  # bound, but not listening: nobody can connect
        bound.bind(("0.0.0.0", 0))
        [warning] = exposure_warnings(everywhere, [bound])
        assert "without TLS" in warning
        assert "[server.tls]" in warning
        safe = replace(everywhere, tls=TlsSettings(certificate="c.pem", key="k.pem"))
        assert exposure_warnings(safe, [bound]) == []


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("no.such.host.invalid", 0, "is no address of this box"),
        ("192.0.2.1", 0, "this box has no address 192.0.2.1"),
    ],
)
def test_addresses_that_cannot_be_had_are_said(host: str, port: int, words: str) -> None:
    with pytest.raises(RuntimeProblem, match=words):
        bind_sockets(host, port)


def test_a_taken_port_leaves_nothing_open() -> None:
    [holder] = bind_sockets("127.0.0.1", 0)
    with holder, pytest.raises(RuntimeProblem, match="is taken by another program"):
        bind_sockets("127.0.0.1", holder.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "plain", "reachable"),
    [
        ("127.0.0.1", "http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://0.0.0.0:1", "http://127.0.0.1:1"),
        ("::", "http://[::]:1", "http://[::1]:1"),
        ("box.example", "http://box.example:1", "http://box.example:1"),
    ],
)
def test_urls_are_such_as_people_can_use(host: str, plain: str, reachable: str) -> None:
    assert plain_url("http", host, 1) == plain
    assert reachable_url("http", host, 1) == reachable


def test_connections_send_small_pieces_at_once_whatever_loop_serves_them() -> None:
    [bound] = bind_sockets("127.0.0.1", 0)
    with bound, socket.create_connection(bound.getsockname()[:2]):
        bound.setblocking(True)
        accepted, _ = bound.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

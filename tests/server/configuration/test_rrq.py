"""``[protocols.rrq.runners.NAME]``: what is accepted, and what is said of the rest."""

from __future__ import annotations

import pytest

from server.configuration import ConfigurationError, read_settings
from server.configuration.example import settings_text
from server.settings import RrqGroupSettings
from server.wire.rrq_address import Address

SOUND = {"cmd": '["run"]', "tcp_socket": '"127.0.0.1:9000"'}


def table(name: str = "py", **keys: str) -> str:
    lines = [f"{key} = {value}" for key, value in {**SOUND, **keys}.items() if value]
    return "\n".join([f"[protocols.rrq.runners.{name}]", *lines])


def problem(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(text)
    return str(caught.value)


def test_every_key_is_read() -> None:
    text = table(
        pool_size="3",
        max_in_flight="64",
        cwd='"/srv/app"',
        env='{LOG_LEVEL = "debug"}',
        protocol='"1"',
        types='["img.*", "mail"]',
        job_timeout='"90s"',
        ready_timeout="2.5",
        stop_grace="0",
        labels='{gpu = "a100"}',
    )
    assert read_settings(text).protocols.rrq.runners == {
        "py": RrqGroupSettings(
            cmd=("run",),
            tcp_socket=Address("127.0.0.1", 9000),
            pool_size=3,
            max_in_flight=64,
            cwd="/srv/app",
            env={"LOG_LEVEL": "debug"},
            protocol="1",
            types=("img.*", "mail"),
            job_timeout_ms=90_000,
            ready_timeout_ms=2_500,
            stop_grace_ms=0,
            labels={"gpu": "a100"},
        )
    }


def test_what_was_read_is_written_so_that_it_reads_the_same() -> None:
    settings = read_settings(table(env='{A = "b"}') + "\n" + table('"two words"', pool_size="2"))
    assert read_settings(settings_text(settings)) == settings


def test_what_is_left_out_has_its_default() -> None:
    group = read_settings(table()).protocols.rrq.runners["py"]
    assert (group.mode, group.pool_size, group.max_in_flight) == ("managed", 1, 10)
    assert (group.protocol, group.job_timeout_ms) == ("2", 300_000)


def test_external_needs_no_command_and_may_be_elsewhere_where_that_is_said() -> None:
    text = table(mode='"external"', cmd="", tcp_socket='"box-7:9000"', allowed_hosts='["box-7"]')
    group = read_settings(text).protocols.rrq.runners["py"]
    assert group.tcp_socket == Address("box-7", 9000)
    local = table(mode='"external"', cmd="", tcp_socket='"[::1]:9000"')
    assert read_settings(local).protocols.rrq.runners["py"].tcp_socket == Address("::1", 9000)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"cmd": ""}, 'cmd: is needed in mode "managed"'),
        ({"tcp_socket": ""}, "tcp_socket: is needed"),
        ({"pool_size": "0"}, "pool_size: has to be from 1 to"),
        ({"max_in_flight": "0"}, "max_in_flight: has to be from 1 to 64, not 0"),
        ({"max_in_flight": "65"}, "max_in_flight: has to be from 1 to 64, not 65"),
        (
            {"tcp_socket": '"127.0.0.1:65530"', "pool_size": "10"},
            "tcp_socket: 10 processes would need ports 65530 to 65539, beyond 65535",
        ),
        ({"tcp_socket": '"10.0.0.1:9000"'}, "managed runners listen on this box"),
        ({"tcp_socket": '"127.0.0.1"'}, "has to be a host and a port"),
        ({"tcp_socket": '"127.0.0.1:70000"'}, "has to end with a port from 0 to 65535"),
        ({"protocol": '"3"'}, "protocol: has to be one of '1', '2'"),
        ({"mode": '"remote"'}, "mode: has to be one of"),
        ({"cwd": '"app"'}, "cwd: has to be a whole path"),
        ({"cmd": '["a", 1]'}, "cmd: has to be a list of words of a command"),
        ({"cmd": '"a b"'}, "cmd: has to be a list of words of a command"),
        ({"types": '["a*b"]'}, "only at the end"),
        ({"env": "{A = 1}"}, "env: has to be a table of texts"),
        ({"job_timeout": '"0s"'}, "job_timeout: has to be from 1s to"),
        ({"stop_grace": "-1"}, "stop_grace: has to be from 0s to"),
        ({"stop_grace": "nan"}, "stop_grace: has to be a number of seconds"),
        ({"poolsize": "2"}, "poolsize: is not known; did you mean pool_size?"),
        ({"runner": "2"}, "runner: is not known"),
    ],
)
def test_what_is_wrong_is_said(keys: dict[str, str], words: str) -> None:
    assert words in problem(table(**keys))


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"cmd": "", "tcp_socket": '"127.0.0.1:0"'}, "needs the port where the runner listens"),
        ({"cmd": "", "tcp_socket": '"box-7:9000"'}, 'allowed_hosts = ["box-7"]'),
    ],
)
def test_what_is_wrong_with_an_external_one(keys: dict[str, str], words: str) -> None:
    assert words in problem(table(mode='"external"', **keys))


def test_one_key_changes_the_mode() -> None:
    """The other mode's keys may stay."""
    for mode in ("managed", "external"):
        text = table(mode=f'"{mode}"', pool_size="4", allowed_hosts='["box-7"]')
        assert read_settings(text).protocols.rrq.runners["py"].mode == mode


@pytest.mark.parametrize("name", ['"a#b"', '"a/b"', '"*"', '""', f'"{"x" * 101}"'])
def test_names_that_would_not_do(name: str) -> None:
    assert "names" in problem(table(name))


def test_a_secret_in_the_environment_is_refused_and_not_shown() -> None:
    secret = "postgres://app:hunter22hunter22@db/app"
    words = problem(table(env=f'{{DATABASE_URL = "{secret}"}}'))
    assert "looks like a secret" in words
    assert "hunter22" not in words

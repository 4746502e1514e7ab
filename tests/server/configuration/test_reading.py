"""A configuration is read strictly; everything wrong with it is told at once, with its place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.configuration import (
    ConfigurationError,
    ConfigurationMissing,
    find_configuration,
    load_settings,
    read_settings,
    settings_text,
)
from server.configuration.kinds import FOREVER_MS
from server.configuration.schedule_keys import EXAMPLE_SCHEDULE, check_schedule
from server.settings import LabelRule, QueueSettings, ScheduleSettings, SecretSource, Settings

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "mJ8xq2Zt7LrY0vKcW5nB3dHs9PfTgA1e"


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        read_settings(text, source="c.toml")
    return [str(problem) for problem in caught.value.problems]


def test_nothing_said_is_the_defaults() -> None:
    assert read_settings("") == Settings()
    assert load_settings(None) == Settings()


def test_values_reach_their_settings() -> None:
    settings = read_settings(
        """
        server.port = 0
        leases = {heartbeat_timeout = 2.5, offer_timeout = "1m30s"}
        [retry]
        base_delay = "250ms"
        max_losses = 0
        [queues.gpu]
        limit = 4
        [queues."a b"]
        stall_after = "10m"
        [retention]
        jobs = "none"
        [storage]
        min_free = "1.5GiB"
        max_output = 2048
        [[runners.labels]]
        match = "10.3.12.*"
        labels = {rack = "r12"}
        [keys]
        submit = ""
        runner = {file = "/run/secrets/runner"}
        operator = {env = "OPS_KEY"}
        """
    )
    assert settings.server.port == 0
    assert settings.leases.heartbeat_timeout_ms == 2_500
    assert settings.leases.offer_timeout_ms == 90_000
    assert settings.retry.policy.base_delay_ms == 250
    assert settings.retry.policy.max_losses == 0
    assert settings.queues == {
        "default": QueueSettings(),
        "gpu": QueueSettings(limit=4),
        "a b": QueueSettings(stall_after_ms=600_000),
    }
    assert settings.retention.jobs_ms == FOREVER_MS
    assert settings.storage.min_free == 1536 * 1024 * 1024
    assert settings.storage.max_output == 2048
    assert settings.runners.labels == (LabelRule("10.3.12.*", {"rack": "r12"}),)
    assert settings.keys.submit == SecretSource()
    assert settings.keys.runner == SecretSource(file="/run/secrets/runner")
    assert settings.keys.operator == SecretSource(env="OPS_KEY")
    assert settings.keys.admin == SecretSource(env="TRAFFIC_ADMIN_KEY")


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (
            "[server]\n  prot = 1",
            "c.toml:2:3",
            "server.prot: is not known; did you mean server.port",
        ),
        ("port = 1", "c.toml:1:1", "port: is not known; did you mean server.port"),
        ("[protocols.foo]", "c.toml:1:1", "in [protocols] there can be native-v1, rrq, runpack"),
        ("[sever]\nport = 1", "c.toml:1:1", "sever: is not known; did you mean server"),
        ("[queues.a]\nlimt = 1", "c.toml:2:1", "queues.a.limt: is not known; did you mean limit"),
        ("[zebra]", "c.toml:1:1", "zebra: is not known; at the top there can be"),
        ("server = {host = '::1', prot = 1}", "c.toml:1:25", "did you mean server.port"),
        ("[server]\nport = '8700'", "c.toml:2:1", "server.port: has to be a whole number"),
        ("[server]\nport = true", "c.toml:2:1", "has to be a whole number, not true"),
        ("[server]\nport = 65536", "c.toml:2:1", "has to be from 0 to 65535, not 65536"),
        ("[server]\nhost = ''", "c.toml:2:1", "must not be empty"),
        ("[server]\nhost = 5", "c.toml:2:1", "has to be text in quotes, not 5"),
        ("server = 5", "c.toml:1:1", "has to be a table, written as [server]"),
        ("[server]\nstore = 'mysql'", "c.toml:2:1", "has to be one of 'sqlite', not 'mysql'"),
        ("[server]\ndurability = 'no'", "c.toml:2:1", "one of 'full', 'normal', not 'no'"),
        ("[server.tls]\ncertificate = 'a.pem'", "c.toml:1:1", "certificate and key go together"),
        ("[server.tls]\nclient_ca = 'a.pem'", "c.toml:2:1", "needs certificate and key"),
        ("[leases]\nheartbeat_timeout = -1", "c.toml:2:1", "has to be from 200ms to 1d, not -1"),
        ("[leases]\nheartbeat_timeout = nan", "c.toml:2:1", "has to be a number of seconds"),
        ("[leases]\nheartbeat_timeout = 'soon'", "c.toml:2:1", 'such as "90s", "10m"'),
        ("[leases]\nheartbeat_timeout = 'none'", "c.toml:2:1", "has to be a number of seconds"),
        ("[retry]\njitter = 2", "c.toml:2:1", "has to be from 0 to 1, not 2"),
        ("[queues.a]\nlimit = 0", "c.toml:2:1", '"none" means no limit'),
        ("[queues]\na = 1", "c.toml:2:1", "has to be a table, written as [queues.NAME]"),
        ("[storage]\nmin_free = '1 elephant'", "c.toml:2:1", "has to be a number of bytes"),
        ("[agent]\nallow_command = 'yes'", "c.toml:2:1", "has to be true or false, not 'yes'"),
        ("[[runners.labels]]\nmatch = 1", "c.toml:1:1", "rule 1 needs exactly match"),
        ("[runners]\nlabels = 1", "c.toml:2:1", "written as [[runners.labels]]"),
        ("[protocols.rrq.runners.python]\nmode = 1", "c.toml:2:1", "has to be one of 'managed'"),
        ("[protocols.native-v1]\nwebhook = 'http://a.example/'", "c.toml:2:1", "host is {ip}"),
        ("[protocols.native-v1]\nwebhook = 'http://{ip}@a.example/'", "c.toml:2:1", "is {ip}"),
        ("[protocols.native-v1]\nwebhook = 'http://{ip.x}/'", "c.toml:2:1", "host is {ip}"),
        ("[protocols.native-v1]\nwebhook = 'ftp://{ip}/'", "c.toml:2:1", "host is {ip}"),
        ("[protocols.native-v1]\nwebhook = 'http://{ip}:{port}/{'", "c.toml:2:1", "host is {ip}"),
        ("[protocols.native-v1]\nallow = ['10.0.0.1/8']", "c.toml:2:1", "after the prefix"),
        ("[protocols.native-v1]\nallow = ['lab']", "c.toml:2:1", "'lab' is no network"),
        ("[protocols.native-v1]\nallow = '::1'", "c.toml:2:1", "has to be a list of networks"),
        ("[protocols.native-v1]\njob_types = ['']", "c.toml:2:1", "has to be a list of job types"),
        ("[protocols.treadmill]\nsupervisors = 1", "c.toml:2:1", "[[protocols.treadmill.super"),
        ("[[protocols.treadmill.supervisors]]\nid = 'x'", "c.toml:1:", "supervisor 1 needs an id"),
        (
            "[[protocols.treadmill.tokens]]\nname = 'x'\ntoken = 'X'\n"
            "permissions = ['stop_job:bench-1']",
            "c.toml:1:",
            "token 1: stop_job: needs a job's or supervisor's id behind it, a UUID",
        ),
        (
            "[[protocols.treadmill.tokens]]\nname = 'treadmill'\ntoken = 'X'",
            "c.toml:1:",
            "token 1: treadmill is what api_token acts as",
        ),
        ("[[protocols.treadmill.tokens]]\nname = 'x'", "c.toml:1:", "token of token 1 has to be"),
        ("[agent]\nisolation = 'on'", "c.toml:2:1", "one of 'auto', 'require', 'off'"),
        ("[agent]\nshare = ['data']", "c.toml:2:1", "from the root on"),
        ("[agent]\nshow = ['/']", "c.toml:2:1", "the whole box"),
        ("[agent.limits.noop]\npids = 1", "c.toml:1:1", "command and fib can"),
        ("[agent.limits.command]\npid = 1", "c.toml:2:1", "did you mean pids?"),
        ("[agent.limits.command]\nmemory = '1kB'", "c.toml:2:1", '"none" means no limit'),
        ("[server]\nport = ", "c.toml:2:8", "this is not TOML"),
        ("[server]\nport = 1\nport = 2", "c.toml:3:", "this is not TOML"),
        ("a = " + "[" * 5000, "c.toml:1:1", "this is not TOML: nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, place: str, words: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(place)
    assert words in problem


def test_a_schedule() -> None:
    text = """
        [schedules."every night"]
        cron = "0 30 2 * * MON-FRI"
        time_zone = "Europe/Berlin"
        type = "report"
        params = {days = 1, tags = ["a"], deep = {x = 1.5}}
        overlap = "replace"
        catch_up = "2h"
        requires = {os = "linux"}
        """
    settings = read_settings(text)
    assert settings.schedules == {
        "every night": ScheduleSettings(
            cron="0 30 2 * * MON-FRI",
            time_zone="Europe/Berlin",
            type="report",
            params=b'{"days": 1, "tags": ["a"], "deep": {"x": 1.5}}',
            overlap="replace",
            catch_up_ms=7_200_000,
            requires={"os": "linux"},
        )
    }
    assert read_settings(settings_text(settings)) == settings
    assert list(check_schedule(*EXAMPLE_SCHEDULE)) == []


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("type = 'a'", "schedules.n: needs cron"),
        ("", "schedules.n: needs cron and type"),
        ("type = 'a'\ncron = '61 * * * *'", "schedules.n.cron: field 1 (minute), at character 1"),
        ("type = 'a'\ncron = '* * *'", "schedules.n.cron: '* * *' has 3 fields"),
        ("type = 'a'\ncron = '* * * * *'\ntime_zone = 'Europe/Berln'", "mean Europe/Berlin"),
        ("params = {at = 2030-01-01}", "schedules.n.params: has to be what JSON can say"),
        ("params = [nan]", "schedules.n.params: has to be what JSON can say"),
        ("overlap = 'wait'", "has to be one of 'skip', 'queue', 'replace', not 'wait'"),
        ("catch_up = '8d'", "schedules.n.catch_up: has to be from 1s to 7d"),
        ("crom = '* * * * *'", "schedules.n.crom: is not known; did you mean cron"),
        (
            f"type = 'a'\ncron = '* * * * *'\ncorrelation = {{'{'k' * 65}' = ''}}",
            "schedules.n.correlation: it: names have 1 to 64 characters",
        ),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(lines: str, words: str) -> None:
    (problem,) = problems(f"[schedules.n]\n{lines}\n")
    assert words in problem


def test_all_problems_are_told_in_the_order_of_the_file() -> None:
    text = "[storage]\nmax_output = 1\n\n[server]\nport = -1\nhots = 'x'\n[retry]\nfactor = 0\n"
    assert [problem.split(":")[1] for problem in problems(text)] == ["2", "5", "6", "8"]


@pytest.mark.parametrize(
    "line",
    [
        f"submit = '{SECRET}'",
        f"submit = {{env = '{SECRET}'}}",
        f"submit = {{file = '{SECRET}'}}",
        f"submit = {{secret = '{SECRET}'}}",
        f"submit = ['{SECRET}']",
        "submit = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc'",
        f"submit = '{SECRET.upper()}'",
        f"[server]\nport = '{SECRET}'",
        f"[server]\nstore = 'postgresql://traffic:{SECRET}@db/x'",
        f"[server]\nhost = ['{SECRET}']",
        f"[server]\napi_key = '{SECRET}'",
    ],
)
def test_secrets_are_refused_and_never_printed(line: str) -> None:
    text = "\n".join(problems(f"[keys]\n{line}"))
    assert SECRET.lower() not in text.lower()
    assert "4eC39" not in text


@pytest.mark.parametrize(
    "name",
    ["TRAFFIC_SUBMIT_KEY", "KEY", "k", "TRAFFIC_TUI_SUBMIT_KEY_2026", "PRODUCTION_CLUSTER_7_KEY"],
)
def test_names_of_variables_are_no_secrets(name: str) -> None:
    assert read_settings(f"[keys]\nsubmit = '{name}'").keys.submit == SecretSource(env=name)


def test_places_are_found_behind_anything_toml_allows() -> None:
    text = (
        '''
# [server] port = 1
[server]
host = """
[leases]
port = 2
""" # a host of several lines
[queues."a.b"]
limit = "none" # stall = 1
[[runners.labels]]
match = 'x' ; '''.replace(" ; ", "\nlabels = {a = 'b', c = '}'}\n")
        + "[ retry ]\n 'factor' = 'no'\n"
    )
    assert [problem[:11] for problem in problems(text)] == ["c.toml:4:1:", "c.toml:14:2"]


def test_a_file_that_cannot_be_read_is_an_error_in_words(tmp_path: Path) -> None:
    binary = tmp_path / "c.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_settings(binary)
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load_settings(tmp_path)


def test_names_of_files_are_meant_from_the_files_folder(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        "[server]\ndata_dir = 'data'\n[server.tls]\ncertificate = 'c.pem'\nkey = '/k.pem'\n"
        "[keys]\nrunner = {file = 'runner.key'}\n"
    )
    settings = load_settings(path)
    assert settings.server.data_dir == tmp_path / "data"
    assert settings.server.tls.certificate == str(tmp_path / "c.pem")
    assert settings.server.tls.key == "/k.pem"
    assert settings.server.tls.client_ca == ""
    assert settings.keys.runner == SecretSource(file=str(tmp_path / "runner.key"))


def test_files_of_workernator_are_meant_from_the_files_folder_too(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[protocols.workernator]\nkey = "certs/server.key"\nclient_ca = "/etc/ca.pem"\n'
    )
    workernator = load_settings(path).protocols.workernator
    assert workernator.certificate == str(tmp_path / "server.pem")
    assert workernator.key == str(tmp_path / "certs" / "server.key")
    assert workernator.client_ca == "/etc/ca.pem"


def test_the_authority_of_webhooks_is_meant_from_the_files_folder(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[protocols.native-v1]\nwebhook_ca = "certs/runners.pem"\n')
    native_v1 = load_settings(path).protocols.native_v1
    assert native_v1.webhook_ca == str(tmp_path / "certs" / "runners.pem")


def test_what_is_written_reads_the_same() -> None:
    settings = Settings()
    settings = replace(
        settings,
        queues={"default": QueueSettings(), 'a "b"': QueueSettings(limit=3, stall_after_ms=1500)},
        runners=replace(settings.runners, labels=(LabelRule("lab-*", {"rack": "r 1"}),)),
        retention=replace(settings.retention, events_ms=FOREVER_MS),
        keys=replace(settings.keys, admin=SecretSource(file="/run/admin")),
    )
    assert read_settings(settings_text(settings)) == settings


class TestSearch:
    """Flag, variable, the user's folder, the system's folder."""

    def test_the_flag_wins(self, tmp_path: Path) -> None:
        flag, variable = tmp_path / "flag.toml", tmp_path / "variable.toml"
        flag.touch()
        variable.touch()
        assert find_configuration(flag, {"TRAFFIC_TUI_CONFIG": str(variable)}) == flag
        assert find_configuration(None, {"TRAFFIC_TUI_CONFIG": str(variable)}) == variable

    def test_a_named_file_has_to_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationMissing, match="--config names"):
            find_configuration(tmp_path / "none.toml", {})
        with pytest.raises(ConfigurationMissing, match="TRAFFIC_TUI_CONFIG names"):
            find_configuration(None, {"TRAFFIC_TUI_CONFIG": str(tmp_path / "none.toml")})

    def test_folders_follow(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "user"))
        monkeypatch.setenv("XDG_CONFIG_DIRS", f"{tmp_path / 'system'}:{tmp_path / 'other'}")
        assert find_configuration(None, {}) is None
        for folder in ("other", "system", "user"):
            path = tmp_path / folder / "traffic-tui" / "config.toml"
            path.parent.mkdir(parents=True)
            path.touch()
            assert find_configuration(None, {}) == path


def test_permissions_name_ids_in_the_form_we_write_them() -> None:
    token = "[[protocols.treadmill.tokens]]\nname = 'ci'\ntoken = 'X'\n"
    given = f"{token}permissions = ['admin', 'stop_job:7D55EC6D15E74B848C047C085FE60DF4']"
    (read,) = read_settings(given).protocols.treadmill.tokens
    assert read.permissions == ("admin", "stop_job:7d55ec6d-15e7-4b84-8c04-7c085fe60df4")

"""Commands against a real coordinator: what they print, in which form, with which exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.conftest import until
from traffic_tui.cli import completion
from traffic_tui.cli.failures import EXIT_DONE, EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from traffic_tui.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Said, World

    Traffic = Callable[..., Said]


def number(said: Said) -> str:
    """The job's number from ``-o name``."""
    assert said.code == EXIT_DONE, said
    return said.out.strip()


def document(said: Said) -> Any:
    assert said.code == EXIT_DONE, said
    return json.loads(said.out)


def test_nobody_there_is_exit_3_and_says_what_to_do(
    nobody_there: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["jobs", "list"]) == EXIT_UNREACHABLE, EXIT_USAGE
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "traffic-tui serve" in said


def test_a_coordinator_that_was_named_and_is_not_there_is_exit_3(
    nobody_there: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["jobs", "list", "--url", "http://127.0.0.1:9"]) == EXIT_UNREACHABLE, EXIT_USAGE
    assert "127.0.0.1:9" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["jobs", "start", "eval", "\udcff"],
        ["jobs", "start", "command", "--", "ls", "\udcff"],
        ["agent", "--url", "http://127.0.0.1:9", "--name", "\udcff"],
        ["serve", "--port", "0", "--host", "\udcff"],
    ],
)
def test_an_argument_that_is_no_text_is_said_to_be_none(
    nobody_there: None, capfd: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(arguments) == EXIT_USAGE
    assert capfd.readouterr().err.endswith("is no text: it is not UTF-8\n")


def test_a_job_that_nobody_knows_is_exit_1_in_one_line(traffic: Traffic) -> None:
    said = traffic("jobs", "status", "999")
    assert said.code == EXIT_FAILED
    assert "999" in said.err
    assert said.err.count("\n") == 1
    assert traffic("jobs", "status", "999999").err == "traffic-tui: there is no job 999999\n"
    assert traffic("jobs", "status", "").err.startswith("traffic-tui: '' is no job: give its")


def test_a_wrong_key_is_exit_1(world: World, traffic: Traffic, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("x" * 40)
    said = traffic("jobs", "list", "--key-file", str(tmp_path / "key"))
    assert (said.code, said.out) == (EXIT_FAILED, "")
    assert "--key-file or TRAFFIC_TUI_KEY" in said.err


def test_a_wrong_choice_names_the_choices_and_nothing_of_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["agent", "--protocol", "foo"]) == EXIT_USAGE
    told = capsys.readouterr().err
    assert "'--protocol': 'foo' is not one of 'native-v2'" in told
    assert "Value error" not in told


def test_a_filter_that_makes_no_sense_is_wrong_usage_with_its_place(traffic: Traffic) -> None:
    said = traffic("jobs", "list", "queue:gpu", "state:nope")
    assert (said.code, said.out) == (EXIT_USAGE, "")
    assert "nope" in said.err
    assert "at character 17" in said.err
    assert said.err.count("\n") == 1


def test_submit_list_and_show_in_every_form(traffic: Traffic) -> None:
    submitted = document(
        traffic("jobs", "submit", "paint", "--params", '{"set": 7}', "--queue", "gpu",
                "--priority", "5", "--require", "os=linux", "--timeout", "10m", "--json")
    )  # fmt: skip
    job = submitted["job"]
    assert (job["state"], job["cached"]) == ("pending", False)
    listed = document(traffic("jobs", "list", "queue:gpu", "-o", "json"))
    assert [each["id"] for each in listed["jobs"]] == [job["id"]]
    assert traffic("jobs", "list", "queue:gpu", "-o", "name").out == f"{job['number']}\n"
    assert traffic("jobs", "list", "queue:other", "-o", "name").out == ""
    title, line = traffic("jobs", "list", "queue:gpu").out.splitlines()
    assert title.split()[:3] == ["JOB", "STATE", "TYPE"]
    assert line.split()[:4] == [str(job["number"]), "pending", "paint", "gpu"]
    assert job["id"] in traffic("jobs", "list", "-o", "wide").out
    detail = document(traffic("jobs", "show", job["id"][:18], "--json"))
    assert detail["job"]["params"] == {"set": 7}
    assert detail["job"]["timeout_seconds"] == 600
    assert "os=linux" in traffic("jobs", "status", str(job["number"])).out


def test_hostile_names_do_no_harm(traffic: Traffic) -> None:
    name = "x[/nope]\x1b[2J\u202e"
    said = traffic("jobs", "submit", name, "-o", "name")
    if said.code == EXIT_DONE:
        assert "\x1b" not in traffic("jobs", "list").out
    assert "\x1b" not in said.err


def test_the_same_idempotency_key_gives_the_same_job(traffic: Traffic) -> None:
    first = number(traffic("jobs", "submit", "paint", "--idempotency-key", "k1", "-o", "name"))
    again = traffic("jobs", "submit", "paint", "--idempotency-key", "k1")
    assert again.out.split()[-4:] == ["was", "there", "already"][-4:] or first in again.out
    assert number(traffic("jobs", "list", "-o", "name")) == first


def test_a_key_that_a_script_forgot_to_set_is_refused(traffic: Traffic) -> None:
    for option in ("--idempotency-key", "--cache-key", "--unique-key"):
        said = traffic("jobs", "submit", "paint", option, "")
        assert (said.code, option in said.err) == (EXIT_USAGE, True)
    assert traffic("jobs", "list", "-o", "name").out == ""


def test_a_job_put_off_that_there_is_once_and_that_carries_something(traffic: Traffic) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    once = ("jobs", "submit", "paint", "--unique-key", "u1", "--unique-for", "10m")
    carried = ("--trace-parent", parent, "--correlation", "tenant=42", "--run-at", "10m")
    first = number(traffic(*once, *carried, "-o", "name"))
    assert number(traffic(*once, "-o", "name")) == first
    shown = document(traffic("jobs", "show", first, "--json"))["job"]
    assert (shown["state"], shown["correlation"]) == ("scheduled", {"tenant": "42"})
    assert shown["trace_context"] == {"traceparent": parent}
    assert parent in traffic("jobs", "show", first).out
    bad = traffic("jobs", "submit", "paint", "--trace-parent", "00-1-2-3")
    assert (bad.code, "traceparent has the form" in bad.err) == (EXIT_FAILED, True)
    bare = traffic("jobs", "submit", "paint", "--correlation", "tenant")
    assert (bare.code, "--correlation: 'tenant'" in bare.err) == (EXIT_USAGE, True)


def test_parameters_from_a_file(traffic: Traffic, tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text('{"a": [1, 2]}')
    job = number(
        traffic("jobs", "submit", "x", "--params-file", str(tmp_path / "params.json"), "-o", "name")
    )
    assert document(traffic("jobs", "show", job, "--json"))["job"]["params"] == {"a": [1, 2]}
    missing = traffic("jobs", "submit", "x", "--params-file", str(tmp_path / "nope.json"))
    assert missing.code == EXIT_FAILED
    assert "nope.json" in missing.err


def test_a_priority_that_may_be_a_job_is_asked_about(traffic: Traffic) -> None:
    """The priority forgotten, or written first: what may be misread changes nothing."""
    jobs = [number(traffic("jobs", "submit", "paint", "-o", "name")) for _ in range(3)]
    for words in (jobs, [jobs[0], jobs[1]], ["9", jobs[2]]):
        said = traffic("jobs", "priority", *words)
        assert said.code == EXIT_USAGE
        assert f"or the job {words[-1]} that waits? nothing was changed" in said.err
        assert f"--to {words[-1]}" in said.err
    listed = document(traffic("jobs", "list", "--json"))["jobs"]
    assert [job["priority"] for job in listed] == [0, 0, 0]
    assert f"priority {jobs[1]}" in traffic("jobs", "priority", jobs[0], "--to", jobs[1]).out
    traffic("jobs", "stop", jobs[1], "--yes")
    assert traffic("jobs", "priority", jobs[2], jobs[1]).code == EXIT_DONE
    assert "priority -5" in traffic("jobs", "priority", jobs[2], "--to", "-5").out


def test_waiting_jobs_are_explained_moved_and_stopped(traffic: Traffic) -> None:
    jobs = [number(traffic("jobs", "submit", "paint", "-o", "name")) for _ in range(2)]
    assert "why" in traffic("jobs", "explain", jobs[0]).out
    assert document(traffic("jobs", "explain", jobs[0], "--json"))["state"] == "pending"
    assert "priority 9" in traffic("jobs", "priority", *jobs, "9").out
    assert "queue cpu" in traffic("jobs", "reassign", jobs[0], "--to-queue", "cpu").out
    stopped = traffic("jobs", "stop", *jobs, "--reason", "not needed", "--json")
    views = [json.loads(line) for line in stopped.out.splitlines()]
    assert [view["job"]["state"] for view in views] == ["stopped", "stopped"]
    again = number(traffic("jobs", "resubmit", jobs[0], "--params", '{"a": 1}', "-o", "name"))
    detail = document(traffic("jobs", "show", again, "--json"))
    assert detail["job"]["params"] == {"a": 1}
    assert str(detail["lineage"]["resubmitted_from"]["number"]) == jobs[0]
    assert "not needed" in traffic("events", f"job:{jobs[1]}").out


def test_what_is_refused_of_several_is_told_and_the_rest_is_done(traffic: Traffic) -> None:
    job = number(traffic("jobs", "submit", "paint", "-o", "name"))
    said = traffic("jobs", "stop", "999", job)
    assert said.code == EXIT_FAILED
    assert "stopped" in said.out
    assert "999" in said.err
    assert "1 of 2" in said.err


def test_queues(traffic: Traffic) -> None:
    traffic("jobs", "submit", "paint", "--queue", "gpu")
    assert "paused" in traffic("queues", "pause", "gpu", "--reason", "new driver").out
    assert "new driver" in traffic("queues", "list").out
    assert "open" in traffic("queues", "resume", "gpu").out
    assert document(traffic("queues", "limit", "gpu", "4", "--json"))["queue"]["limit"] == 4
    assert document(traffic("queues", "limit", "gpu", "none", "--json"))["queue"]["limit"] is None
    assert "gpu" in traffic("queues", "list", "-o", "name").out.split()


def test_schedules(traffic: Traffic) -> None:
    create = ("schedules", "create", "nightly", "30 2 * * *", "report")
    made = traffic(
        *create,
        "--time-zone",
        "Europe/Berlin",
        "--params",
        '{"days": 1}',
        "--catch-up",
        "2h",
        "--json",
    )
    schedule = document(made)["schedule"]
    assert (schedule["params"], schedule["catch_up_seconds"]) == ({"days": 1}, 7_200)
    listed = traffic("schedules", "list")
    for words in ("nightly", "30 2 * * *", "Europe/Berlin", "report"):
        assert words in listed.out
    assert "there is a schedule nightly already" in traffic(*create).err
    changed = document(traffic(*create, "--replace", "--queue", "gpu", "--json"))["schedule"]
    assert (changed["queue"], changed["time_zone"]) == ("gpu", "UTC")
    paused = traffic("schedules", "pause", "nightly", "--reason", "audit")
    assert "audit" in paused.out
    assert document(traffic("schedules", "show", "nightly", "--json"))["schedule"]["next_at"] == 0
    assert traffic("schedules", "resume", "nightly").code == EXIT_DONE
    assert len(traffic("schedules", "next", "nightly", "-n", "3").out.splitlines()) == 4
    due = traffic("schedules", "next", "--cron", "0 9 * * MON", "--time-zone", "Asia/Tokyo", "-n1")
    assert "09:00:00" in due.out
    assert traffic("schedules", "delete", "nightly").out == "deleted: nightly\n"
    assert "there is no schedule" in traffic("schedules", "show", "nightly").err


def test_schedules_that_make_no_sense(traffic: Traffic) -> None:
    bad = traffic("schedules", "create", "n", "61 * * * *", "report")
    assert (bad.code, "field 1 (minute), at character 1" in bad.err) == (EXIT_FAILED, True)
    zone = traffic("schedules", "create", "n", "1 * * * *", "report", "--time-zone", "Europe/Berln")
    assert "did you mean Europe/Berlin" in zone.err
    assert traffic("schedules", "next").code == EXIT_USAGE
    assert traffic("schedules", "next", "n", "--cron", "* * * * *").code == EXIT_USAGE


def test_keys(traffic: Traffic, tmp_path: Path) -> None:
    made = traffic("keys", "create", "--name", "ci", "--role", "read-only", "--expires", "90d",
                   "--reason", "the build box")  # fmt: skip
    assert len(made.out.split()) == 1
    (tmp_path / "ci.key").write_text(made.out)
    with_key = ("--key-file", str(tmp_path / "ci.key"))
    assert traffic("jobs", "list", *with_key).code == EXIT_DONE
    assert traffic("jobs", "submit", "x", *with_key).code == EXIT_FAILED
    assert "ci" in traffic("keys", "list").out
    assert made.out.strip() not in traffic("keys", "list", "--json").out
    assert traffic("keys", "revoke", "ci", "--reason", "box sold").code == EXIT_DONE
    assert traffic("jobs", "list", *with_key).code == EXIT_FAILED
    (revoked,) = traffic("events", "kind:key_revoked", "--json").out.splitlines()
    assert json.loads(revoked)["reason"] == "box sold"


def test_no_key_is_made_whose_secret_nobody_would_see(traffic: Traffic) -> None:
    said = traffic("keys", "create", "--name", "ci", "--role", "submit", "-o", "name")
    assert (said.code, said.out) == (EXIT_USAGE, "")
    assert "ci" not in traffic("keys", "list", "-o", "name").out.split()


def test_jobs_run_and_are_waited_for(world: World, traffic: Traffic) -> None:
    world.agent()
    done = traffic("jobs", "start", "eval", "2x + 1", "x=3", "--wait")
    assert done.code == EXIT_DONE, done
    assert "completed" in done.out
    assert ": 7" in done.out
    failed = traffic("jobs", "start", "command", "--wait", "--json", "--", "sh", "-c", "exit 3")
    assert failed.code == EXIT_FAILED
    assert json.loads(failed.out)["attempts"][0]["exit_code"] == 3
    late = traffic("jobs", "wait", number(traffic("jobs", "submit", "nobody", "-o", "name")),
                   "--timeout", "100ms")  # fmt: skip
    assert late.code == EXIT_FAILED
    assert "not over after 0.1s" in late.err


def test_output_is_told_stream_by_stream(world: World, traffic: Traffic) -> None:
    world.agent()
    script = "printf 'one\\ntwo\\nthree\\n'; printf 'oops\\n' >&2"
    said = traffic("jobs", "start", "command", "--follow", "-o", "name", "--", "sh", "-c", script)
    assert said.code == EXIT_DONE, said
    *lines, job = said.out.splitlines()
    assert lines == ["one", "two", "three"]
    assert "oops" in said.err.splitlines()
    told = traffic("jobs", "tail", job)
    assert (told.out, told.err) == ("one\ntwo\nthree\n", "oops\n")
    assert traffic("jobs", "logs", job, "--tail", "1").out == "three\n"
    assert traffic("jobs", "tail", job, "--stream", "stderr").out == ""
    nothing = traffic("jobs", "tail", job, "--stream", "console")
    assert (nothing.out, "no such output, and none will come" in nothing.err) == ("", True)
    assert traffic("jobs", "tail", job, "--since", "1h").out == "one\ntwo\nthree\n"
    assert traffic("jobs", "tail", job, "--attempt", "4").code == EXIT_FAILED


def test_runners(world: World, traffic: Traffic) -> None:
    world.agent("lab-1", "--label", "rack=r12")
    until(lambda: traffic("runners", "list", "-o", "name").out == "lab-1\n", "the agent")
    assert "rack=r12" in traffic("runners", "list").out
    drained = document(traffic("runners", "drain", "lab-1", "--reason", "bad fan", "--json"))
    assert drained["runner"]["drain_reason"] == "bad fan"
    assert "bad fan" in traffic("runners", "show", "lab-1").out
    resumed = document(traffic("runners", "resume", "lab-1", "--json"))
    assert resumed["runner"]["draining_since"] == 0


def test_doctor_and_config_say_what_they_found(
    world: World, traffic: Traffic, tmp_path: Path
) -> None:
    said = traffic("doctor", "--json")
    checks = {check["what"]: check for check in json.loads(said.out)["checks"]}
    assert {"python", "sqlite", "configuration", "data", "keys", "store", "disk", "coordinator",
            "answers", "terminal", "clock"} <= set(checks)  # fmt: skip
    assert {check["verdict"] for check in checks.values()} <= {"ok", "warn"}
    assert said.code == EXIT_DONE
    bad = tmp_path / "bad.toml"
    bad.write_text("[server]\nprot = 1\n")
    assert run(["config", "check", str(bad)]) == EXIT_FAILED
    assert run(["serve", "--config", str(bad)]) == EXIT_FAILED
    assert traffic("doctor", "--config", str(bad)).code == EXIT_FAILED


def test_a_script_can_read_what_is_wrong_with_a_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[server]\nprot = 1\n")
    assert run(["config", "check", str(bad), "--json"]) == EXIT_FAILED
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == str(bad)
    [problem] = told["problems"]
    assert (problem["line"], problem["column"], problem["key"]) == (2, 1, "server.prot")
    assert run(["config", "check", str(bad), "-o", "name"]) == EXIT_FAILED
    assert capsys.readouterr().out == "server.prot\n"
    bad.write_text("")
    assert run(["config", "check", str(bad), "--json"]) == EXIT_DONE
    assert json.loads(capsys.readouterr().out)["problems"] == []


def test_a_shell_is_offered_the_names_there_are(
    world: World, traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    traffic("jobs", "submit", "paint", "--queue", "gpu")
    monkeypatch.setenv("XDG_DATA_HOME", str(world.folder / "home"))
    (world.folder / "home").mkdir()
    (world.folder / "home" / "traffic-tui").symlink_to(world.data)
    assert completion.queues("g") == ["gpu"]
    assert completion.job_types("p") == ["paint"]
    assert completion.job_types("no") == ["noop"]
    assert completion.runners("") == []
    assert completion.filters("state:f") == ["state:failed"]
    assert completion.filters("queue:g") == ["queue:gpu"]
    [(number_text, hint)] = completion.attention_jobs("")
    assert (number_text, hint) == ("1", "paint, pending")


def test_a_shell_is_offered_no_name_that_it_could_see_something_in(
    world: World, traffic: Traffic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is offered to zsh it evaluates, and bash puts it on the line as it is."""
    plain = "plain/ä-1.2:x@y"
    hostile = [r"\$(touch x)", r"\`x`", "a;b", "a b", "a\nb", "--all", "~root", "=ls", "a'b", 'a"b']
    for name in [*hostile, plain]:
        assert traffic("jobs", "submit", f"--queue={name}", "--", name).code == EXIT_DONE
    monkeypatch.setenv("XDG_DATA_HOME", str(world.folder / "home"))
    (world.folder / "home").mkdir()
    (world.folder / "home" / "traffic-tui").symlink_to(world.data)
    assert completion.queues("") == ["default", plain]
    assert completion.filters("queue:p") == [f"queue:{plain}"]
    assert not set("<>!*") & set("".join(completion.filters("")))
    assert completion.job_types("") == sorted([*completion.BUILT_IN_TYPES, plain])
    hints = {hint for _, hint in completion.attention_jobs("")}
    assert hints == {"pending", f"{plain}, pending"}


def test_a_shell_is_offered_nothing_and_told_nothing_where_nobody_is(
    nobody_there: None, capfd: pytest.CaptureFixture[str]
) -> None:
    assert completion.queues("") == []
    assert completion.job_types("f") == ["fib"]
    assert capfd.readouterr() == ("", "")


def test_limits_of_a_command(traffic: Traffic) -> None:
    limits = ["--limit", "memory=64MiB", "--limit", "pids=10", "--limit", "cpu=0.5"]
    said = traffic("jobs", "start", "command", *limits, "--json", "--", "true")
    shown = document(traffic("jobs", "status", str(document(said)["job"]["number"]), "--json"))
    assert shown["job"]["params"] == {
        "argv": ["true"],
        "limits": {"memory": "64MiB", "pids": 10, "cpu": 0.5},
    }
    for wrong, words in (
        ("ram=1", "there is no limit 'ram'; there are memory, pids, cpu, io, wall"),
        ("pids=many", "--limit pids has to be a whole number"),
        ("pids", "NAME=VALUE"),
    ):
        refused = traffic("jobs", "start", "command", "--limit", wrong, "--", "true")
        assert refused.code == 2
        assert words in refused.err


def test_jobs_are_counted_by_what_they_have_in_common(traffic: Traffic) -> None:
    for name in ("a b", "a b", "gpu"):
        number(traffic("jobs", "submit", "noop", "-q", name, "-o", "name"))
    said = traffic("jobs", "list", "--by", "queue", "state:pending")
    heading = "JOBS QUEUE TYPES RUNNERS SINCE LAST NEWEST"
    assert said.out.splitlines()[0].split() == heading.split()
    assert said.out.splitlines()[1].split()[:4] == ["2", "a", "b", "noop"]
    assert document(traffic("jobs", "list", "--by", "queue", "--json"))["count"] == 3
    filters = traffic("jobs", "list", "--by", "queue", "-o", "name").out.splitlines()
    assert filters == ['queue:"a b"', "queue:gpu"]
    assert len(traffic("jobs", "list", filters[0], "-o", "name").out.split()) == 2
    assert traffic("jobs", "list", "--by", "error", "-o", "name").out == ""
    assert traffic("jobs", "list", "--by", "weather").code == EXIT_USAGE

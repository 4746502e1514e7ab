"""Certificates by the command line, and jobs over gRPC with them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from server.wire.workernator import draft_pb2, final_pb2
from tests.cli.conftest import Said, World, until
from traffic_tui.cli.failures import EXIT_DONE, EXIT_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from traffic_tui.cli.job_log import date_and_time
from traffic_tui.cli.main import run
from traffic_tui.cli.workernator import status_facts
from traffic_tui.client.workernator import _of_draft, _of_final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONFIG = """
[protocols.workernator]
enabled = true
port = 0
certificate = "certs/server.pem"
key = "certs/server.key"
client_ca = "certs/ca.pem"
[protocols.workernator.users.alice]
start = "own"
stop = "own"
status = "own"
output = "own"
"""


@dataclass
class Caller:
    """Runs commands of this process with alice's certificate."""

    url: str
    certs: Path
    capfd: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Said:
        ours = list(arguments)
        place = ours.index("--") if "--" in ours else len(ours)
        trust = [
            "--url", self.url, "--ca", str(self.certs / "ca.pem"),
            "--cert", str(self.certs / "alice.pem"), "--key", str(self.certs / "alice.key"),
        ]  # fmt: skip
        return said(self.capfd, *ours[:place], *trust, *ours[place:])


def said(capfd: pytest.CaptureFixture[str], *arguments: str) -> Said:
    capfd.readouterr()
    code = run(list(arguments))
    told = capfd.readouterr()
    return Said(code, told.out, told.err)


@pytest.fixture
def grpc(tmp_path: Path, nobody_there: None, capfd: pytest.CaptureFixture[str]) -> Iterator[Caller]:
    """A coordinator with Workernator's port and an agent, as a person sets them up."""
    certs = tmp_path / "certs"
    assert said(capfd, "certs", "init", str(certs)).code == EXIT_DONE
    assert said(capfd, "certs", "issue", str(certs), "alice").code == EXIT_DONE
    (tmp_path / "config.toml").write_text(CONFIG)
    world = World(tmp_path, [])
    try:
        world.serve("--config", str(tmp_path / "config.toml"))
        world.agent()
        until(lambda: "lab-1" in said(capfd, "runners", "list", *world.here).out, "the agent")
        log = (tmp_path / "serve.err").read_text()
        found = re.search(r"clients are served on 127\.0\.0\.1:(\d+)", log)
        assert found, log
        yield Caller(f"grpcs://localhost:{found[1]}", certs, capfd)
    finally:
        world.end()


def test_an_answer_that_makes_no_sense_is_shown_all_the_same() -> None:
    strange = final_pb2.Job(id="x", status=99)  # type: ignore[arg-type]
    strange.started_at.seconds = 10**15
    job = _of_final(strange)
    facts = {fact.name: fact.value.text for fact in status_facts(job)}
    assert facts == {"ID": "x", "name": "command", "status": "Unknown"}
    typed = draft_pb2.Job(id="x", status=99, type=99)  # type: ignore[arg-type]
    assert (_of_draft(typed).status, _of_draft(typed).kind) == ("Unknown", "unknown")
    assert date_and_time(-(10**17)) == "-"


def test_what_is_to_be_done_next_is_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "certs")
    made = said(capfd, "certs", "init", folder)
    assert made.code == EXIT_DONE
    assert [line.rpartition("/")[2] for line in made.out.split()] == [
        "ca.pem", "ca.key", "server.pem", "server.key",
    ]  # fmt: skip
    assert f"next: traffic-tui certs issue {folder} alice" in made.err
    assert "[protocols.workernator]" in made.err
    again = said(capfd, "certs", "init", folder)
    assert (again.code, again.out) == (EXIT_FAILED, "")
    assert "ca.pem is there already" in again.err
    issued = said(capfd, "certs", "issue", folder, "laptop", "--user", "alice")
    assert "the server sees alice" in issued.err
    assert said(capfd, "certs", "issue", folder, "../x").code == EXIT_FAILED


def test_a_typed_job_from_start_to_end(grpc: Caller) -> None:
    started = grpc("jobs", "start", "fib", "9")
    assert started.code == EXIT_DONE, started
    found = re.fullmatch(r"fib job started, ID: ([0-9a-v]{20})\n", started.out)
    assert found, started
    assert f"traffic-tui jobs status {found[1]} --url {grpc.url}" in started.err
    told = grpc("jobs", "tail", found[1])
    assert re.fullmatch(
        r"(?m)DATE \[JOB\] started on lab-1\nDATE \[RESULT\] 21\nDATE \[JOB\] finished\n".replace(
            "DATE", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
        ),
        told.out,
    ), told
    shown = grpc("jobs", "status", found[1])
    facts = dict(line.split(maxsplit=1) for line in shown.out.splitlines())
    assert facts.keys() == {"ID", "name", "number", "status", "started", "finished", "duration"}
    assert (facts["name"], facts["number"], facts["status"]) == ("fib", "9", "Finished")


def test_a_command_is_followed_stopped_and_exits_by_its_outcome(grpc: Caller) -> None:
    followed = grpc("jobs", "start", "command", "--follow", "--", "sh", "-c", "echo hi; exit 4")
    assert (followed.code, followed.out) == (EXIT_FAILED, "hi\n")
    assert "failed: exit status 4" in followed.err
    job = grpc("jobs", "start", "command", "-o", "name", "--", "sleep", "60").out.strip()
    stopped = grpc("jobs", "stop", job)
    assert (stopped.code, stopped.out) == (EXIT_DONE, f"{job} stopped\n")
    shown = json.loads(grpc("jobs", "status", job, "--json").out)
    assert (shown["status"], shown["error"]) in (
        ("Stopped", "signal: killed"),
        ("Stopped", "signal: terminated"),
    )


def test_what_cannot_be_done_is_told_in_one_line(grpc: Caller, tmp_path: Path) -> None:
    for arguments, code, words in (
        (("jobs", "status", "12"), EXIT_FAILED, "invalid job id"),
        (("jobs", "list"), EXIT_USAGE, "http://"),
        (("jobs", "start", "fib", "3", "--queue", "gpu"), EXIT_USAGE, "knows nothing of --queue"),
        (("jobs", "start", "wait", "0.5"), EXIT_FAILED, "whole seconds"),
        (("jobs", "start", "eval", "1 +"), EXIT_FAILED, ""),
        (("jobs", "tail", "12", "--tail", "3"), EXIT_USAGE, "--tail"),
        (("jobs", "stop", "12", "--now"), EXIT_USAGE, "--now"),
        (("jobs", "start", "command", "--", "no-such-program"), EXIT_FAILED, "no-such-program"),
    ):
        told = grpc(*arguments)
        assert (told.code, told.out) == (code, ""), told
        assert words in told.err
        assert told.err.startswith("traffic-tui: ")
        assert len(told.err.splitlines()) == 1
    nobody = Caller("grpcs://localhost:1", grpc.certs, grpc.capfd)
    assert nobody("jobs", "status", "12").code == EXIT_UNREACHABLE
    bare = said(grpc.capfd, "jobs", "status", "12", "--url", grpc.url)
    assert (bare.code, "--cert" in bare.err) == (EXIT_FAILED, True)
    for url in ("grpcs://", "grpcs://localhost:99999", "grpcs://localhost:1/path"):
        assert Caller(url, grpc.certs, grpc.capfd)("jobs", "status", "12").code == EXIT_USAGE

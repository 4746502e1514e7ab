"""What waits to be told, what was written, what was received; without sockets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from server.wire.treadmill import DeclareExitStatus, JobState, encode
from traffic_tui.runner.connectors.treadmill_outbox import AGAIN_SECONDS, WINDOW_BYTES, Outbox
from traffic_tui.runner.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from server.wire.treadmill import SupervisorEvent


@pytest.fixture
async def outbox(tmp_path: Path) -> Any:
    journal = Journal(tmp_path / "spool" / "boot")
    journal.open()
    yield Outbox(journal)
    journal.close()


def plain(message: SupervisorEvent) -> tuple[str, Any]:
    body = json.loads(encode(message))["message"]
    event = body["event"]
    if event["type"] == "console_log":
        return body["job_id"], bytes(event["console_bytes"])
    if event["type"] == "state_transition":
        return body["job_id"], event["status_message"] or event["new_state"]["state"]
    return body["job_id"], event["type"]


def taken(outbox: Outbox) -> Iterator[tuple[str, Any]]:
    while (message := outbox.next()) is not None:
        yield plain(message)


def run(outbox: Outbox, job_id: str, output: bytes = b"out") -> None:
    """A job from its beginning to its end."""
    outbox.begin(job_id)
    outbox.move(job_id, JobState("ready"))
    outbox.print(job_id, output)
    outbox.say(job_id, DeclareExitStatus("success"))
    outbox.move(job_id, JobState("terminated"))


WHOLE = ["ready", b"out", "declare_exit_status", "terminated"]


async def test_what_was_written_and_not_received_is_written_again(outbox: Outbox) -> None:
    run(outbox, "a")
    first = [outbox.next() for _ in range(2)]
    mark = outbox.mark()
    assert [what for _, what in taken(outbox)] == WHOLE[2:]
    outbox.received(mark, now=0.0)
    outbox.lost(now=0.0)
    assert len(first) == 2
    assert [what for _, what in taken(outbox)] == WHOLE[2:]
    outbox.lost(now=0.0)
    outbox.lost(now=0.0)
    assert [what for _, what in taken(outbox)] == WHOLE[2:]
    outbox.received(outbox.mark(), now=0.0)
    assert outbox.is_empty
    assert outbox.status() is None


async def test_a_mark_of_an_older_moment_takes_nothing_newer(outbox: Outbox) -> None:
    run(outbox, "a")
    outbox.next()
    mark = outbox.mark()
    outbox.next()
    outbox.received(mark, now=0.0)
    outbox.received(mark, now=0.0)
    outbox.lost(now=0.0)
    assert [what for _, what in taken(outbox)] == WHOLE[1:]


async def test_no_more_than_a_window_of_output_is_on_its_way(outbox: Outbox) -> None:
    outbox.begin("a")
    data = bytes(range(256)) * 4096
    assert outbox.print("a", data) == len(data)
    whole = b""
    while rest := [what for _, what in taken(outbox)]:
        assert sum(map(len, rest)) <= WINDOW_BYTES + 16 * 1024
        whole += b"".join(rest)
        outbox.received(outbox.mark(), now=0.0)
    assert whole == data


async def test_a_flood_of_one_job_does_not_keep_another_waiting(outbox: Outbox) -> None:
    outbox.begin("a")
    outbox.print("a", bytes(10_000_000))
    run(outbox, "b")
    told = list(taken(outbox))
    assert [what for job_id, what in told if job_id == "b"][:1] == ["ready"]
    outbox.received(outbox.mark(), now=0.0)
    told += taken(outbox)
    assert [what for job_id, what in told if job_id == "b"] == WHOLE


async def test_of_progress_that_waits_only_the_newest_counts(outbox: Outbox) -> None:
    outbox.begin("a")
    for number in range(100):
        outbox.move("a", JobState("ready"), f"{number}%")
    assert list(taken(outbox)) == [("a", "99%")]


async def test_after_its_end_nothing_more_is_said_of_a_job(outbox: Outbox) -> None:
    run(outbox, "a")
    assert outbox.print("a", b"late") == 4
    outbox.move("a", JobState("ready"))
    outbox.move("a", JobState("terminated"))
    assert [what for _, what in taken(outbox)] == WHOLE


async def test_the_status_is_that_of_the_newest_job_that_runs(outbox: Outbox) -> None:
    outbox.begin("a")
    outbox.begin("b")
    outbox.move("b", JobState("ready"))
    list(taken(outbox))
    assert outbox.status() == ("b", JobState("ready"))
    outbox.move("b", JobState("terminated"))
    assert outbox.status() == ("a", JobState("initializing", "starting"))
    outbox.move("a", JobState("terminated"))
    assert outbox.status() == ("b", JobState("terminating"))
    list(taken(outbox))
    assert outbox.status() is None, "both ends were written before this answer"
    outbox.lost(now=0.0)
    assert outbox.status() == ("b", JobState("terminating"))


@pytest.mark.parametrize(("later", "is_again"), [(AGAIN_SECONDS, True), (AGAIN_SECONDS + 1, False)])
async def test_what_was_received_a_moment_ago_is_told_again(
    later: float, is_again: bool, outbox: Outbox
) -> None:
    run(outbox, "a")
    list(taken(outbox))
    outbox.received(outbox.mark(), now=100.0)
    assert outbox.is_empty
    assert not outbox.is_doubtful
    outbox.lost(now=100.0 + later)
    assert outbox.is_doubtful == is_again
    wanted: list[object] = [b"out", "declare_exit_status", "terminated"] if is_again else []
    assert [what for _, what in map(plain, outbox.again(now=0.0))] == wanted
    assert outbox.again(now=0.0) == []


async def test_what_is_kept_to_be_told_again_is_bounded(outbox: Outbox) -> None:
    outbox.begin("a")
    for _ in range(100):
        outbox.print("a", bytes(100_000))
        while list(taken(outbox)):
            outbox.received(outbox.mark(), now=0.0)
    outbox.lost(now=0.0)
    again = [what for _, what in map(plain, outbox.again(now=0.0))]
    assert 400_000 < sum(map(len, again)) <= 512 * 1024


async def test_output_that_the_disk_has_lost_keeps_nothing_up(
    outbox: Outbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.begin("a")
    for _ in range(10):
        outbox.print("a", bytes(100_000))
    for spilled in (tmp_path / "spool" / "boot").glob("*-console.*"):
        spilled.unlink()
    outbox.move("a", JobState("terminated"))
    said: list[Any] = []
    while not outbox.is_empty:
        said += [what for _, what in taken(outbox)]
        outbox.received(outbox.mark(), now=0.0)
    *output, end = said
    assert end == "terminated"
    assert b"bytes of output were lost on the runner's disk" in b"".join(output)
    assert len(b"".join(output)) == 1_000_000
    assert caplog.text.count("console output that waited here is lost") == 1

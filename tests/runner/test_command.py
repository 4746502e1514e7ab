"""Commands as real processes: bytes, signals, groups, progress, and what is refused."""

from __future__ import annotations

import errno
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.runner.recording import RecordingConnector, is_alive, open_descriptors, order, until
from tests.runner.sandboxes import opened_sandbox, processes_in
from traffic_tui.runner import JobError, Supervisor
from traffic_tui.runner.jobs import built_in, command
from traffic_tui.runner.processes import Launch, ProcessGroup, ProcessGroups

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from traffic_tui.runner.outcome import ExecutionOutcome
    from traffic_tui.runner.sandbox.sandbox import Sandbox


class Bench:
    """Runs commands one after the other and remembers what came of them."""

    def __init__(
        self, supervisor: Supervisor, connector: RecordingConnector, sandbox: Sandbox | None
    ) -> None:
        self.supervisor = supervisor
        self.connector = connector
        self.sandbox = sandbox

    def is_alive(self, pid: int) -> bool:
        """Whether a process is; numbers in a room are its own, so there any of it counts."""
        return is_alive(pid) if self.sandbox is None else bool(processes_in(self.sandbox))

    def start(self, *argv: str, **params: Any) -> None:
        self.supervisor.start(order("command", {"argv": list(argv), **params}))

    async def run(self, *argv: str, **params: Any) -> ExecutionOutcome:
        self.start(*argv, **params)
        return await self.connector.ended()

    async def printed(self, text: str) -> None:
        await until(lambda: text in self.connector.text("stdout"))

    def progress(self) -> list[tuple[float | None, float | None, str]]:
        return [tuple(u.progress) for _, u in self.connector.updates if u.progress is not None]  # type: ignore[misc]


@pytest.fixture(params=["plain", "room"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    descriptors = open_descriptors()
    children = set(psutil.Process().children(recursive=True))
    groups = ProcessGroups()
    connector = RecordingConnector()
    sandbox = None if request.param == "plain" else opened_sandbox()
    registry = built_in(groups, allow_command=True, sandbox=sandbox)
    async with Supervisor(registry, connector, slots=4) as supervisor:
        yield Bench(supervisor, connector, sandbox)
    groups.close()
    if sandbox is not None:
        sandbox.close()
    assert open_descriptors() <= descriptors
    assert not set(psutil.Process().children(recursive=True)) - children


async def test_streams_are_separate_and_exit_codes_are_told(bench: Bench) -> None:
    outcome = await bench.run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert bench.connector.text("stdout") == "out\n"
    assert bench.connector.text("stderr") == "err\n"
    assert (outcome.status, outcome.exit_code, outcome.signal) == ("error", 3, None)
    assert outcome.error is not None and outcome.error.message == "exit status 3"


async def test_success_has_its_exit_code(bench: Bench) -> None:
    outcome = await bench.run("true")
    assert (outcome.status, outcome.exit_code, outcome.result) == (
        "success",
        0,
        {"exit_code": 0},
    )


async def test_death_by_a_signal_is_told(bench: Bench) -> None:
    outcome = await bench.run("sh", "-c", "kill -SEGV $$")
    assert (outcome.status, outcome.signal) == ("error", signal.SIGSEGV)
    assert outcome.error is not None and "SIGSEGV" in outcome.error.message


async def test_no_byte_is_lost_and_the_child_waits_for_room(bench: Bench) -> None:
    bench.connector.room = 1000
    code = (
        "import sys; out = sys.stdout.buffer\n"
        "for i in range(2000): out.write(bytes(range(256)) * 4); out.flush()\n"
        "sys.stderr.write('written')"
    )
    bench.start(sys.executable, "-c", code)
    await until(lambda: bench.connector.room == 0)
    assert bench.connector.outcome() is None
    assert bench.connector.text("stderr") == ""
    while bench.connector.outcome() is None:
        bench.connector.make_room(300_000)
        await until(lambda: bench.connector.room == 0 or bench.connector.outcome())
    assert bench.connector.console["attempt-1", "stdout"] == bytes(range(256)) * 8000
    assert bench.connector.text("stderr") == "written"


async def test_stopping_asks_the_whole_group_first(bench: Bench) -> None:
    script = "trap 'echo asked; exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    bench.start("sh", "-c", script)
    await bench.printed("ready")
    bench.supervisor.stop("attempt-1", grace_seconds=10)
    outcome = await bench.connector.ended()
    assert (outcome.status, outcome.exit_code) == ("cancelled", 5)
    assert "asked" in bench.connector.text("stdout")


async def test_a_polite_exit_after_being_asked_is_still_cancelled(bench: Bench) -> None:
    bench.start("sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    await bench.printed("ready")
    bench.supervisor.stop("attempt-1", grace_seconds=10)
    outcome = await bench.connector.ended()
    assert (outcome.status, outcome.exit_code) == ("cancelled", 0)


async def test_who_ignores_being_asked_is_killed_with_everything_it_started(bench: Bench) -> None:
    script = "trap '' TERM; sleep 60 & echo child $!; echo ready; while :; do sleep 0.05; done"
    bench.start("sh", "-c", script)
    await bench.printed("ready")
    child = int(bench.connector.text("stdout").split()[1])
    begin = time.monotonic()
    bench.supervisor.stop("attempt-1", grace_seconds=0.3)
    outcome = await bench.connector.ended()
    assert 0.25 < time.monotonic() - begin < 4
    assert (outcome.status, outcome.signal) == ("cancelled", signal.SIGKILL)
    await until(lambda: not bench.is_alive(child))


async def test_kill_does_not_ask(bench: Bench) -> None:
    bench.start("sh", "-c", "trap 'echo asked' TERM; echo ready; while :; do sleep 0.05; done")
    await bench.printed("ready")
    bench.supervisor.stop("attempt-1", kill=True)
    outcome = await bench.connector.ended()
    assert outcome.signal == signal.SIGKILL
    assert "asked" not in bench.connector.text("stdout")


async def test_a_stop_that_comes_while_the_rest_is_cleared_up_leaves_nothing_behind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = command.CommandRun._wait_for_output

    async def stopped_just_then(self: command.CommandRun, pumps: Any) -> None:
        await wait(self, pumps)
        bench.supervisor.stop(bench.supervisor.running[0])

    monkeypatch.setattr(command.CommandRun, "_wait_for_output", stopped_just_then)
    outcome = await bench.run("sh", "-c", "echo done")
    assert outcome.status == "success"
    assert bench.connector.text("stdout") == "done\n"


async def test_the_deadline_is_a_timeout(bench: Bench) -> None:
    bench.supervisor.start(order("command", {"argv": ["sleep", "60"]}, timeout_seconds=0.1))
    outcome = await bench.connector.ended()
    assert (outcome.status, outcome.signal) == ("timeout", signal.SIGTERM)


async def test_stragglers_of_the_group_end_with_the_leader(bench: Bench) -> None:
    outcome = await bench.run("sh", "-c", "sleep 60 & echo $!")
    assert outcome.status == "success"
    straggler = int(bench.connector.text("stdout"))
    await until(lambda: not bench.is_alive(straggler))


async def test_what_comes_shortly_after_the_leader_is_not_lost(bench: Bench) -> None:
    await bench.run("sh", "-c", "(sleep 0.2; echo late) & echo early")
    assert bench.connector.text("stdout") == "early\nlate\n"


async def test_a_pipe_held_by_something_that_left_the_group_holds_up_nothing(
    bench: Bench,
) -> None:
    code = (
        "import os, sys, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid(); print(os.getpid(), flush=True); time.sleep(60)\n"
        "time.sleep(0.3)"
    )
    outcome = await bench.run(sys.executable, "-c", code)
    assert outcome.status == "success"
    escaped = int(bench.connector.text("stdout"))
    assert bench.is_alive(escaped) is (bench.sandbox is None)
    bench.supervisor.drain()


async def test_what_left_its_group_ends_with_the_agent() -> None:
    groups = ProcessGroups()
    connector = RecordingConnector()
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid(); print(os.getpid(), flush=True); time.sleep(60)\n"
        "time.sleep(0.3)"
    )
    registry = built_in(groups, allow_command=True)
    async with Supervisor(registry, connector, slots=1) as supervisor:
        supervisor.start(order("command", {"argv": [sys.executable, "-c", code]}))
        await connector.ended()
    groups.close()
    escaped = int(connector.text("stdout"))
    await until(lambda: not is_alive(escaped))


async def test_progress_comes_from_lines(bench: Bench) -> None:
    script = "echo step 12/40 done; sleep 0.1; printf '37%%\\r'; sleep 0.1; echo a/b 2024/11/24"
    await bench.run("sh", "-c", script)
    assert (12.0, 40.0, "") in bench.progress()
    assert bench.progress()[-1] == (37.0, 100.0, "")


async def test_progress_comes_from_the_channel_and_wins(bench: Bench) -> None:
    script = (
        "echo 3 9 copying files >&$TRAFFIC_TUI_PROGRESS_FD; sleep 0.2; echo 50%; sleep 0.1;"
        "echo 4 - >&$TRAFFIC_TUI_PROGRESS_FD"
    )
    await bench.run("bash", "-c", script)
    assert [p for p in bench.progress() if p[1] == 100.0] == []
    assert bench.progress()[0] == (3.0, 9.0, "copying files")
    assert bench.progress()[-1] == (4.0, None, "")


async def test_environment_folder_and_input(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAFFIC_TUI_KEY", "secret")
    script = "echo $COLOUR; pwd; cat; echo [$TRAFFIC_TUI_KEY]; echo $TRAFFIC_TUI_JOB"
    text = "line\n" * 100_000
    await bench.run("sh", "-c", script, env={"COLOUR": "blue"}, cwd=str(tmp_path), stdin=text)
    assert bench.connector.text("stdout") == f"blue\n{tmp_path}\n{text}[]\njob-1\n"


async def test_input_that_nobody_reads_is_no_trouble(bench: Bench) -> None:
    outcome = await bench.run("true", stdin="x" * 1_000_000)
    assert outcome.status == "success"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "argv is needed"),
        ({"argv": []}, "argv is needed"),
        ({"argv": "make test"}, "argv is needed"),
        ({"argv": ["no-such-program-here"]}, "there is no program 'no-such-program-here'"),
        ({"argv": ["/etc/passwd"]}, "there is no program"),
        ({"argv": ["sh", 3]}, r"argv\[1\] is no text"),
        ({"argv": ["sh", "a\0b"]}, "zero byte"),
        ({"argv": ["sh", "\ud800"]}, "cannot be passed on"),
        ({"argv": [""]}, "empty"),
        ({"argv": ["sh", "x" * 200_000]}, "too long"),
        ({"argv": ["sh"], "cwd": "/no/such/folder"}, "cwd is no folder"),
        ({"argv": ["sh"], "env": {"A=B": "x"}}, "cannot be the name"),
        ({"argv": ["sh"], "env": {"A": 1}}, "is no text"),
        ({"argv": ["sh"], "env": []}, "env is no object"),
        ({"argv": ["sh"], "stdin": 4}, "stdin is no text"),
        ({"argv": ["sh"], "shell": True}, "there is no parameter 'shell'"),
        ([], "an object is needed"),
    ],
)
async def test_what_cannot_run_is_refused_before_anything_starts(
    params: Any, words: str, bench: Bench
) -> None:
    from traffic_tui.runner.seam import StartOrder

    with pytest.raises(JobError, match=words) as error:
        bench.supervisor.start(StartOrder("attempt-1", "job-1", "command", params))
    assert error.value.kind == "invalid"
    assert bench.connector.updates == []


async def test_a_program_that_cannot_be_executed_is_invalid(bench: Bench, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELFnot really")
    broken.chmod(0o700)
    outcome = await bench.run(str(broken))
    assert outcome.error is not None
    assert (outcome.status, outcome.error.type) == ("error", "invalid")


async def test_command_is_off_unless_allowed() -> None:
    groups = ProcessGroups()
    assert "command" not in built_in(groups, allow_command=False)
    groups.close()


async def test_many_at_once(bench: Bench) -> None:
    bench.supervisor.slots = 40
    for number in range(40):
        params = {"argv": ["sh", "-c", f"echo {number}; echo x >&2"]}
        bench.supervisor.start(order("command", params, request_id=f"a{number}"))
    for number in range(40):
        assert (await bench.connector.ended(f"a{number}")).status == "success"
        assert bench.connector.text("stdout", f"a{number}") == f"{number}\n"


@pytest.mark.parametrize("is_lasting", [False, True])
async def test_what_this_box_is_short_of_is_waited_for(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, is_lasting: bool
) -> None:
    start, refused = ProcessGroups.start, [errno.EMFILE, errno.EAGAIN]

    def short(self: ProcessGroups, launch: Launch) -> ProcessGroup:
        if is_lasting or refused:
            number = errno.EMFILE if is_lasting else refused.pop()
            raise OSError(number, "nothing left")
        return start(self, launch)

    monkeypatch.setattr(ProcessGroups, "start", short)
    monkeypatch.setattr(command, "SHORTAGE_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(command, "SHORTAGE_SECONDS", 0.05 if is_lasting else 60.0)
    outcome = await bench.run("true")
    if is_lasting:
        assert outcome.error is not None
        assert outcome.error.type == "shortage"  # no fault of the job, so it may be tried again
        assert "nothing left" in outcome.error.message
    else:
        assert outcome.status == "success"

"""What agents say of isolation, and what they refuse: as root, and as somebody with no rights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.settings import LimitSettings
from tests.runner.agents import agent
from tests.runner.double import Double, serving
from tests.runner.recording import until
from tests.runner.sandboxes import opened_sandbox
from traffic_tui.runner.sandbox.sandbox import Asked, SandboxOptions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOBODY = 65534
RUN = """
import asyncio, sys
from server.settings import LimitSettings
from traffic_tui.runner.errors import RunnerError
from traffic_tui.runner.processes import Launch, ProcessGroups, read_some
from traffic_tui.runner.sandbox.sandbox import Asked, Sandbox, SandboxOptions

async def main():
    limits = LimitSettings(pids=20, memory=1 << 29)
    sandbox = Sandbox(SandboxOptions(sys.argv[1], {"command": limits}))
    try:
        sandbox.open()
    except RunnerError as error:
        print("refused:", error)
        return
    groups = ProcessGroups()
    confinement = sandbox.confine("job", limits, Asked({}))
    print(confinement.words)
    env = {"PATH": "/usr/bin:/bin"}
    argv = ["sh", "-c", "id -u; echo /proc/[0-9]*"]
    group = groups.start(Launch(argv, env, "/", confinement=confinement))
    while data := await read_some(group.process.stdout.fileno()):
        print(data.decode(), end="")
    await group.exited.wait()
    account = group.close()
    await group.clear()
    print(account.code, account.problem, account.usage.peak_memory_bytes is not None)
    sandbox.close()
    groups.close()

asyncio.run(main())
"""


@pytest.fixture
async def coordinator() -> AsyncIterator[Double]:
    made = Double()
    async with serving(made) as made.url:
        yield made


def as_nobody(*argv: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python as a user without rights; ``before`` is a shell command run as that user."""
    python = next(
        (path for path in ("/usr/bin/python3", sys.executable) if is_usable_by_nobody(path)), None
    )
    if os.geteuid() != 0 or shutil.which("setpriv") is None or python is None:
        pytest.skip("needs root, setpriv and a Python that everybody can run")
    become = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    if subprocess.run([*become, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("there is no user without rights here")
    script = f'{before}\nexec "$0" "$@"'
    return subprocess.run(
        [*become, "sh", "-c", script, python, *argv],
        env={"PATH": "/usr/sbin:/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def is_usable_by_nobody(path: str) -> bool:
    """Whether it is of our version, and everybody can get at it."""
    real = Path(path).resolve()
    if real.name != f"python3.{sys.version_info.minor}":
        return False
    try:
        return all(folder.stat().st_mode & 0o001 for folder in [real, *real.parents])
    except OSError:
        return False


def test_a_user_without_rights_gets_rooms_but_no_control_groups() -> None:
    ran = as_nobody("-c", RUN, "auto")
    if "not isolated" in ran.stdout:
        pytest.skip(ran.stdout)
    assert ran.stderr == ""
    assert ran.stdout == (
        "isolated: user, pid, mount, net, uts, ipc; memory 512 MiB by rlimit, each process; "
        "pids 20 by rlimit\n0\n/proc/1 /proc/2\n0 None True\n"
    )


def test_isolation_can_be_switched_off() -> None:
    ran = as_nobody("-c", RUN, "off")
    assert ran.stderr == ""
    lines = ran.stdout.splitlines()
    assert lines[0] == (
        "not isolated: switched off; memory 512 MiB by rlimit, each process; pids 20 by rlimit"
    )
    assert lines[1] == str(NOBODY)
    assert len(lines[2].split()) > 2


NO_NAMESPACES = """
switch_off='echo 0 > /proc/sys/user/max_user_namespaces; exec "$0" "$@"'
exec unshare -Ur sh -c "$switch_off" "$0" "$@"
"""
"""In a user namespace of its own, so that nothing else on the box is meant."""


def without_namespaces(isolation: str) -> subprocess.CompletedProcess[str]:
    ran = as_nobody("-c", RUN, isolation, before=NO_NAMESPACES)
    if ran.stderr.startswith("unshare: "):
        pytest.skip(ran.stderr)  # not even the one that they are switched off in
    return ran


def test_where_namespaces_are_not_permitted_that_is_said() -> None:
    ran = without_namespaces("auto")
    assert ran.stderr == ""
    first = ran.stdout.splitlines()[0]
    assert first.startswith("not isolated: new ")
    assert "(/proc/sys/user/max_user_namespaces is 0)" in first
    assert ran.stdout.endswith("0 None True\n")


def test_where_namespaces_are_not_permitted_require_refuses() -> None:
    ran = without_namespaces("require")
    assert ran.stderr == ""
    assert ran.stdout.startswith("refused: isolation is required, but this box does not permit it")
    assert "'traffic-tui doctor' says more" in ran.stdout


def test_require_refuses_limits_that_nothing_holds() -> None:
    code = RUN.replace("memory=1 << 29", "cpu=0.5")
    ran = as_nobody("-c", code, "require")
    if "this box does not permit it" in ran.stdout:
        pytest.skip(ran.stdout)
    assert ran.stderr == ""
    assert ran.stdout.startswith(
        "refused: isolation is required, but limits of command cannot be held here: cpu; "
    )


async def test_require_takes_no_job_whose_limits_nothing_holds() -> None:
    sandbox = opened_sandbox(isolation="require")
    sandbox.forget_groups()
    with pytest.raises(OSError, match="isolation is required, but nothing holds cpu"):
        sandbox.confine("job", LimitSettings(cpu=0.5), Asked({}))
    sandbox.close()


async def test_an_agent_says_at_its_start_how_commands_run(
    coordinator: Double, tmp_path: Path
) -> None:
    options = {"types": ("command",), "sandbox": SandboxOptions("off")}
    with agent(tmp_path, coordinator.url, key="the-key", **options) as running:
        await running.says("jobs of type command run not isolated: switched off")
        await running.says("serving")
        running.signal()
        assert await running.ends() == 0


async def test_an_agent_that_runs_no_programs_says_nothing_of_it(
    coordinator: Double, tmp_path: Path
) -> None:
    with agent(tmp_path, coordinator.url, key="the-key") as running:
        await running.says("serving")
        running.signal()
        assert await running.ends() == 0
        assert "isolated" not in running.said()
    assert not (tmp_path / "data" / "groups").exists()


async def test_what_it_needs_is_refused_in_words(coordinator: Double, tmp_path: Path) -> None:
    coordinator.submit("command", {"argv": ["true"], "cwd": "/root"})
    coordinator.submit("command", {"argv": ["true"], "limits": {"pids": 10_000_000}})
    with agent(tmp_path, coordinator.url, key="the-key", types=("command",)) as running:
        await until(lambda: len(coordinator.reports) == 2)
        if "not isolated" in running.said():
            pytest.skip("no namespaces here")
        running.signal()
        assert await running.ends() == 0
    messages = [report.error.message for report in coordinator.reports if report.error]
    assert any("cwd is not seen by isolated commands: /root" in words for words in messages)
    assert any("limits.pids" in words for words in messages)

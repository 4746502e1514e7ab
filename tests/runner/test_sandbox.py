"""What a command in a room can see and do, by real namespaces and real control groups."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.recording import RecordingConnector, open_descriptors, order, until
from tests.runner.sandboxes import groups_in, need_group, opened_sandbox, processes_in
from traffic_tui.runner import JobError, Supervisor
from traffic_tui.runner.jobs import built_in
from traffic_tui.runner.processes import ProcessGroups
from traffic_tui.runner.sandbox.view import furniture

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from traffic_tui.runner.outcome import ExecutionOutcome
    from traffic_tui.runner.sandbox.confinement import Confinement
    from traffic_tui.runner.sandbox.sandbox import Sandbox


def was_made(path: str) -> bool:
    return Path(path).exists()


def mounts_here() -> str:
    return Path("/proc/self/mountinfo").read_text()


class Bench:
    """Runs commands in rooms of one sandbox."""

    def __init__(
        self, supervisor: Supervisor, connector: RecordingConnector, sandbox: Sandbox
    ) -> None:
        self.supervisor = supervisor
        self.connector = connector
        self.sandbox = sandbox

    def start(self, *argv: str, key: str = "attempt-1", **params: Any) -> None:
        self.supervisor.start(order("command", {"argv": list(argv), **params}, request_id=key))

    async def run(self, *argv: str, key: str = "attempt-1", **params: Any) -> ExecutionOutcome:
        self.start(*argv, key=key, **params)
        return await self.connector.ended(key)

    async def output(self, *argv: str, **params: Any) -> str:
        outcome = await self.run(*argv, **params)
        assert outcome.status == "success", (outcome, self.connector.text("stderr"))
        return self.connector.text("stdout")

    async def python(self, code: str, **params: Any) -> str:
        return await self.output(sys.executable, "-c", code, **params)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    descriptors = open_descriptors()
    mounts = mounts_here()
    secret = tmp_path / "data"
    secret.mkdir()
    (secret / "key").write_text("the agent's own")
    sandbox = opened_sandbox(folder=secret)
    groups = ProcessGroups()
    groups.watch_control_groups(sandbox.group_paths)
    connector = RecordingConnector()
    registry = built_in(groups, allow_command=True, sandbox=sandbox)
    async with Supervisor(registry, connector, slots=50) as supervisor:
        yield Bench(supervisor, connector, sandbox)
    assert groups_in(sandbox) == []
    paths = sandbox.group_paths
    sandbox.close()
    groups.close()
    assert not any(map(os.path.exists, paths))
    assert open_descriptors() <= descriptors
    assert mounts_here() == mounts


async def test_it_sees_no_process_but_its_own(bench: Bench) -> None:
    code = "import os; print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit()))"
    seen = await bench.python(code)
    assert seen == "[1, 2]\n"


async def test_it_cannot_end_what_looks_after_it(bench: Bench) -> None:
    outcome = await bench.run("sh", "-c", "trap '' TERM; kill -9 1; kill -TERM 1; exit 7")
    assert (outcome.exit_code, outcome.signal) == (7, None)


async def test_it_has_no_network_but_its_own_loopback(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = (
            "import socket, errno\n"
            "own = socket.create_server(('127.0.0.1', 0))\n"
            "socket.create_connection(own.getsockname(), 5).close()\n"
            "def tried(where):\n"
            "    try: socket.create_connection(where, 5)\n"
            "    except OSError as error: return errno.errorcode[error.errno]\n"
            f"print(tried(('127.0.0.1', {port})), tried(('192.0.2.1', 80)))\n"
            "print([name for _, name in socket.if_nameindex()])\n"
        )
        assert await bench.python(code) == "ECONNREFUSED ENETUNREACH\n['lo']\n"


async def test_it_sees_nothing_of_the_hosts_files(bench: Bench, tmp_path: Path) -> None:
    places = [str(tmp_path), "/var/log", "/boot", "/sys/kernel", "/etc/shadow", "/etc/ssh"]
    home = Path.home()
    places += [str(entry) for entry in home.iterdir() if entry.is_file()]
    code = f"import os; print([path for path in {places!r} if os.path.exists(path)])"
    assert await bench.python(code) == "[]\n"


async def test_what_it_sees_of_the_system_cannot_be_changed(bench: Bench) -> None:
    code = (
        "import os\n"
        "for path in ('/usr/x', '/etc/x', '/x', '/etc/passwd', '/proc/sys/kernel/hostname',"
        " '/proc/sysrq-trigger'):\n"
        "    try: os.close(os.open(path, os.O_WRONLY | os.O_CREAT)); print('wrote', path)\n"
        "    except OSError: pass\n"
        "open('/tmp/x', 'w').write('x'); open('/dev/null', 'w').write('x')\n"
        "open('/dev/shm/x', 'w').write('x'); print(os.path.expanduser('~'))\n"
        "open(os.path.expanduser('~/x'), 'w').write('x')\n"
    )
    assert await bench.python(code, env={"HOME": "/home/somebody"}) == "/home/somebody\n"


async def test_it_is_its_own_root_and_has_no_rights_outside(bench: Bench) -> None:
    code = (
        "import os, ctypes\n"
        "print(os.getuid(), os.getgid(), os.uname().nodename, os.getpid(), os.getsid(0))\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "print(libc.mount(b'tmpfs', b'/tmp', b'tmpfs', 0, None), libc.sethostname(b'x', 1))\n"
        "print(open('/proc/self/status').read().count('NoNewPrivs:\\t1'))\n"
    )
    assert await bench.python(code) == "0 0 job-job1 2 2\n-1 -1\n1\n"


async def test_its_temporary_folder_is_its_own(bench: Bench) -> None:
    env = {"HOME": "/home/somebody"}  # a home below /tmp would be made there
    await bench.output("sh", "-c", "echo mine > /tmp/left; cat /tmp/left", env=env)
    seen = await bench.run("sh", "-c", "pwd; ls -A /tmp", key="second", env=env)
    assert seen.status == "success"
    where, *names = bench.connector.text("stdout", "second").split()
    assert where == "/tmp"
    # An agent whose Python lies below /tmp shows the way there, and nothing else is in it.
    assert set(names) <= set(Path(sys.prefix).parts) | set(Path(sys.base_prefix).parts)


async def test_its_folder_is_shared_as_the_agents_own(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir(mode=0o700)
    (folder / "given").write_text("from outside")
    text = await bench.output("sh", "-c", "cat given; echo made > made", cwd=str(folder))
    assert text == "from outside"
    made = folder / "made"
    assert made.read_text() == "made\n"
    assert (made.stat().st_uid, made.stat().st_gid) == (os.geteuid(), os.getegid())
    outcome = bench.connector.outcome()
    assert outcome is not None
    assert f"; shares {folder}" in outcome.isolation


async def test_the_agents_folder_stays_hidden_in_a_shared_one(bench: Bench, tmp_path: Path) -> None:
    text = await bench.output("sh", "-c", "ls -A; ls -A data", cwd=str(tmp_path))
    assert text == "data\n"


async def test_the_agents_folder_stays_hidden_behind_a_link(bench: Bench, tmp_path: Path) -> None:
    link = tmp_path.with_name(f"{tmp_path.name}-link")
    link.symlink_to(tmp_path)
    text = await bench.output("sh", "-c", "ls -A; ls -A data", cwd=str(link))
    assert text == "data\n"


@pytest.mark.parametrize("is_link", [False, True])
async def test_the_system_cannot_be_changed_by_another_of_its_names(
    bench: Bench, tmp_path: Path, is_link: bool
) -> None:
    link = tmp_path / "link"
    link.symlink_to("/usr/lib")
    code = (
        "import os\n"
        "print(os.getcwd())\n"
        "try: open('made-by-a-job', 'x')\n"
        "except OSError as error: print(error.strerror)\n"
        "else: os.unlink('made-by-a-job'); print('wrote')\n"
    )
    text = await bench.python(code, cwd=str(link) if is_link else "//usr/lib")
    assert text == "/usr/lib\nRead-only file system\n"


async def test_what_is_only_shown_cannot_be_changed_in_a_shared_folder(tmp_path: Path) -> None:
    shown = tmp_path / "work" / "shown"
    shown.mkdir(parents=True)
    steps = furniture(
        home="", host_name="x", shown=(str(shown),), shared=(str(shown.parent), str(shown / "out"))
    )
    given = [(kind, path) for kind, _, path in steps if path.startswith(str(tmp_path))]
    assert given == [
        ("share", str(shown.parent)),
        ("show", str(shown)),
        ("share", str(shown / "out")),
    ]


@pytest.mark.parametrize("cwd", ["/root", "/", "/etc", "/home", "/var/tmp", "/proc"])
async def test_folders_that_are_nobodys_business_are_refused(bench: Bench, cwd: str) -> None:
    with pytest.raises(JobError, match="not seen by isolated commands"):
        bench.start("true", cwd=cwd)


async def test_a_program_named_by_its_path_is_seen(bench: Bench, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nls -A $(dirname $0)\n")
    program.chmod(0o755)
    assert await bench.output(str(program)) == "program\n"


async def test_a_folder_that_became_a_link_since_it_was_looked_at_is_not_shared(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, private = tmp_path / "work", tmp_path / "data"
    folder.mkdir()

    def swap() -> None:
        folder.rmdir()
        folder.symlink_to(private)

    meanwhile(bench.sandbox, swap, monkeypatch)
    outcome = await bench.run("cat", "key", cwd=str(folder))
    assert bench.connector.text("stdout") == ""
    assert outcome.error is not None
    assert "is not what it was when it was looked at" in outcome.error.message


async def test_a_program_that_became_a_link_since_it_was_looked_at_is_not_shown(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, private = tmp_path / "program", tmp_path / "data" / "program"
    for path in (program, private):
        path.write_text(f"#!/bin/sh\necho {path.parent.name}\n")
        path.chmod(0o755)

    def swap() -> None:
        program.unlink()
        program.symlink_to(private)

    meanwhile(bench.sandbox, swap, monkeypatch)
    outcome = await bench.run(str(program))
    assert bench.connector.text("stdout") == ""
    assert outcome.error is not None
    assert "is not what it was when it was looked at" in outcome.error.message


def meanwhile(sandbox: Sandbox, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something happen after what a job names was looked at, before it is put in place."""
    confine = sandbox.confine

    def later(*given: Any) -> Confinement:
        confined = confine(*given)
        act()
        return confined

    monkeypatch.setattr(sandbox, "confine", later)


async def test_the_truth_is_told_while_it_runs_and_in_the_end(bench: Bench) -> None:
    outcome = await bench.run("true")
    said = [update.isolation for _, update in bench.connector.updates if update.isolation]
    assert said == [outcome.isolation]
    assert said[0].startswith("isolated: user, pid, mount, net, uts, ipc")


async def test_fifty_at_once_leave_nothing(bench: Bench) -> None:
    for number in range(50):
        bench.start("sh", "-c", f"sleep 0.1; echo {number}", key=f"a{number}")
    for number in range(50):
        outcome = await bench.connector.ended(f"a{number}")
        assert (outcome.status, bench.connector.text("stdout", f"a{number}")) == (
            "success",
            f"{number}\n",
        )
    assert groups_in(bench.sandbox) == []


async def test_nothing_survives_a_job_that_hides_from_it(bench: Bench) -> None:
    need_group(bench.sandbox, "pids")
    code = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0:\n"
        "            os.execve('/usr/bin/env', ['env', '-i', 'sh', '-c',"
        " 'trap \"\" TERM; while :; do sleep 60; done'], {})\n"
        "        os._exit(0)\n"
        "print('ready', flush=True)\n"
        "time.sleep(0.3)\n"
    )
    bench.start(sys.executable, "-c", code)
    await until(lambda: len(processes_in(bench.sandbox)) >= 4)
    outcome = await bench.connector.ended()
    assert (outcome.status, outcome.exit_code) == ("success", 0)
    assert processes_in(bench.sandbox) == set()


@pytest.mark.parametrize("milliseconds", [0, 5, 10, 15, 20, 30, 50])
async def test_being_stopped_while_the_room_is_built_is_not_missed(
    bench: Bench, milliseconds: int
) -> None:
    bench.start("sleep", "60")
    asyncio.get_running_loop().call_later(
        milliseconds / 1000, lambda: bench.supervisor.stop("attempt-1", grace_seconds=15)
    )
    async with asyncio.timeout(10):
        outcome = await bench.connector.ended()
    assert outcome.status == "cancelled"
    assert outcome.signal in (None, 15)


async def test_it_cannot_look_into_what_looks_after_it(bench: Bench) -> None:
    code = (
        "import os\n"
        "for what in ('environ', 'fd/0', 'mem', 'maps'):\n"
        "    try: open('/proc/1/' + what).read(1); print('read', what)\n"
        "    except OSError: pass\n"
        "print(sorted(set(map(int, os.listdir('/proc/self/fd'))) - {3}))\n"
        "print(open('/proc/self/cgroup').read().count(':/traffic'))\n"
    )
    env = {"TRAFFIC_TUI_UNUSED": "x"}
    text = await bench.python(code, env=env)
    descriptors, groups = text.splitlines()
    progress = int(descriptors.strip("[]").split(",")[-1])
    assert descriptors in ("[0, 1, 2]", f"[0, 1, 2, {progress}]")
    assert groups == "0"


@pytest.mark.parametrize(
    "home", ["/tmp/../../home/x", "/../..", "/lib/x", "/usr/x", "relative", "", "/", "/tmp/mine"]
)
async def test_no_home_leads_out_of_the_room(bench: Bench, home: str) -> None:
    """The variable comes with the job, and a folder is made for it before the room is closed."""
    outcome = await bench.run("sh", "-c", 'cd "$HOME" && pwd', env={"HOME": home})
    assert outcome.error is None or outcome.error.type == "exit_status"
    if home == "/tmp/mine":
        assert bench.connector.text("stdout") == "/tmp/mine\n"
    assert not was_made("/home/x")

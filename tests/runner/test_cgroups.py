"""Control groups of both versions: finding them, what is written, what is read, handing down.

The files are the kernel's where it has them; where this box has the other version, a folder that
looks like one stands in, which shows what is written, not what the kernel makes of it.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from server.model import Usage
from server.settings import LimitSettings
from traffic_tui.runner.guard_process import end_group_tree, remove_tree
from traffic_tui.runner.sandbox.cgroups.agent_groups import AgentGroups
from traffic_tui.runner.sandbox.cgroups.delegation import Delegation
from traffic_tui.runner.sandbox.cgroups.hierarchies import Hierarchy, find_hierarchies
from traffic_tui.runner.sandbox.cgroups.job_group import Folder, JobGroup
from traffic_tui.runner.sandbox.cgroups.settings import settings_for, whole_disks

if TYPE_CHECKING:
    from pathlib import Path

ALL = frozenset({"pids", "memory", "cpu", "io"})
LIMITS = LimitSettings(memory=64 * 2**20, pids=10, cpu=0.2, io=10 * 2**20)


def files(folder: Path, **contents: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / name.replace("__", ".")).write_text(text)


def found(tmp_path: Path, mounts: str, membership: str) -> list[Hierarchy]:
    (tmp_path / "mounts").write_text(mounts)
    (tmp_path / "membership").write_text(membership)
    return find_hierarchies(tmp_path / "mounts", tmp_path / "membership")


def test_version_2_alone(tmp_path: Path) -> None:
    place = tmp_path / "fs" / "system.slice" / "agent.service"
    files(place, cgroup__controllers="cpuset cpu io memory pids\n")
    mounts = f"31 23 0:28 / {tmp_path}/fs rw,relatime shared:9 - cgroup2 cgroup2 rw\n"
    assert found(tmp_path, mounts, "0::/system.slice/agent.service\n") == [Hierarchy(2, place, ALL)]


def test_version_1_beside_a_version_2_without_controllers(tmp_path: Path) -> None:
    for name in ("memory/a", "cpu,cpuacct", "unified", "systemd", "devices"):
        (tmp_path / name).mkdir(parents=True)
    mounts = "".join(
        f"3{n} 31 0:2{n} / {tmp_path}/{name} rw - cgroup cgroup rw,{controllers}\n"
        for n, (name, controllers) in enumerate(
            [
                ("memory", "memory"),
                ("cpu,cpuacct", "cpu,cpuacct"),
                ("systemd", "name=systemd"),
                ("devices", "devices"),
            ]
        )
    )
    mounts += f"41 31 0:38 / {tmp_path}/unified rw - cgroup2 cgroup2 rw\n"
    mounts += "27 1 254:0 / / rw - ext4 /dev/vda rw\nnonsense\n"
    membership = "4:memory:/a\n3:cpu,cpuacct:/\n2:devices:/\n1:name=systemd:/\n0::/\n"
    assert found(tmp_path, mounts, membership) == [
        Hierarchy(1, tmp_path / "memory" / "a", frozenset({"memory"})),
        Hierarchy(1, tmp_path / "cpu,cpuacct", frozenset({"cpu", "cpuacct"})),
        Hierarchy(2, tmp_path / "unified", frozenset()),
    ]


def test_a_container_sees_its_own_part_alone(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    mounts = f"31 23 0:28 /box/7 {tmp_path} rw - cgroup2 cgroup2 rw\n"
    (hierarchy,) = found(tmp_path, mounts, "0::/box/7/inner\n")
    assert hierarchy.place == tmp_path / "inner"


def test_a_box_without_any(tmp_path: Path) -> None:
    assert find_hierarchies(tmp_path / "none", tmp_path / "none") == []
    groups = AgentGroups([])
    groups.open()
    assert not groups.is_open
    assert groups.problems == ["this box has no control groups"]


@pytest.mark.parametrize(
    ("version", "controller", "written"),
    [
        (2, "pids", ["pids.max=10"]),
        (1, "pids", ["pids.max=10"]),
        (2, "memory", ["memory.max=67108864", "memory.swap.max=0", "memory.oom.group=1"]),
        (1, "memory", ["memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=67108864"]),
        (2, "cpu", ["cpu.max=20000 100000"]),
        (1, "cpu", ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=20000"]),
        (2, "io", ["io.max=8:0 rbps=10485760 wbps=10485760"]),
        (
            1,
            "io",
            [
                "blkio.throttle.read_bps_device=8:0 10485760",
                "blkio.throttle.write_bps_device=8:0 10485760",
            ],
        ),
        (1, "freezer", []),
    ],
)
def test_what_is_written(version: int, controller: str, written: list[str]) -> None:
    settings = settings_for(controller, version, LIMITS, ["8:0"])  # type: ignore[arg-type]
    assert [f"{setting.file}={setting.text}" for setting in settings] == written
    assert settings_for(controller, version, LimitSettings(), ["8:0"]) == []  # type: ignore[arg-type]


def test_a_share_too_small_for_the_kernel_is_the_least_it_takes() -> None:
    assert settings_for("cpu", 2, LimitSettings(cpu=0.001), [])[0].text == "1000 100000"


def test_whole_disks_are_found(tmp_path: Path) -> None:
    for name, size in (("sda", "100"), ("loop0", "5"), ("vdb", "0"), ("nvme0n1", "7")):
        files(tmp_path / name, size=size, dev=f"8:{size}\n")
    assert whole_disks(tmp_path) == ["8:7", "8:100"]
    assert whole_disks(tmp_path / "none") == []


def test_a_group_of_version_2_tells_everything(tmp_path: Path) -> None:
    files(
        tmp_path,
        cpu__stat="usage_usec 1500000\nuser_usec 1\n",
        memory__peak="4096\n",
        io__stat="8:0 rbytes=10 wbytes=5 rios=1 wios=1\n8:16 rbytes=1 wbytes=0\n",
        memory__events="low 0\noom 3\noom_kill 2\noom_group_kill 1\n",
        pids__events="max 7\n",
    )
    group = JobGroup([Folder(2, ALL, tmp_path)])
    assert group.usage() == Usage(1.5, 4096, 16)
    assert (group.memory_kills, group.refused_processes) == (2, 7)
    held = group.limit(LIMITS)
    assert held == dict.fromkeys(ALL, "cgroup v2")
    assert (tmp_path / "memory.max").read_text() == str(64 * 2**20)
    assert (tmp_path / "cpu.max").read_text() == "20000 100000"


def test_a_group_of_version_1_tells_everything(tmp_path: Path) -> None:
    files(
        tmp_path,
        cpuacct__usage="2500000000\n",
        memory__max_usage_in_bytes="8192\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        pids__events="max 0\n",
        blkio__throttle__io_service_bytes_recursive="8:0 Read 4\n8:0 Write 5\nTotal 9\n",
    )
    group = JobGroup([Folder(1, ALL | {"cpuacct"}, tmp_path)])
    assert group.usage() == Usage(2.5, 8192, 9)
    assert (group.memory_kills, group.refused_processes) == (1, 0)


def test_what_the_kernel_does_not_tell_is_not_known(tmp_path: Path) -> None:
    group = JobGroup([Folder(2, ALL, tmp_path / "gone")])
    assert group.usage() == Usage()
    assert (group.memory_kills, group.refused_processes) == (0, 0)
    assert group.limit(LIMITS) == {}


def test_controllers_are_handed_down_and_taken_back(tmp_path: Path) -> None:
    files(tmp_path, cgroup__subtree_control="pids\n", cgroup__procs="")
    delegation = Delegation(Hierarchy(2, tmp_path, ALL), "traffic-tui-x")
    assert delegation.open() == ALL
    assert delegation.problem == ""
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
    delegation.close()
    assert (tmp_path / "cgroup.subtree_control").read_text() == "-memory"


def test_controllers_that_are_not_handed_down_are_named(tmp_path: Path) -> None:
    delegation = Delegation(Hierarchy(2, tmp_path / "none", ALL), "traffic-tui-x")
    assert delegation.open() == frozenset()
    assert delegation.problem.startswith("cpu, io, memory, pids by cgroup v2 at ")
    assert "Delegate=yes" in delegation.problem
    delegation.close()


ASIDE = """
import os, sys
from pathlib import Path
from traffic_tui.runner.sandbox.cgroups.delegation import Delegation
from traffic_tui.runner.sandbox.cgroups.hierarchies import Hierarchy

place = Path(sys.argv[1])
(place / "cgroup.procs").write_text("0")
aside = Delegation(Hierarchy(2, place, frozenset()), "agent")
moved = aside._step_aside()
inside = (place / "agent-self" / "cgroup.procs").read_text().split()
left = (place / "cgroup.procs").read_text().split()
aside.close()
print(moved, inside == [str(os.getpid())], left, (place / "agent-self").exists())
print((place / "cgroup.procs").read_text().split() == [str(os.getpid())])
"""


def real_version_2() -> Path:
    for hierarchy in find_hierarchies():
        if hierarchy.version == 2:
            return hierarchy.place
    pytest.skip("no cgroup v2 here")


def test_an_agent_alone_in_its_group_steps_aside(tmp_path: Path) -> None:
    """With the kernel's own files: also here, where version 2 has no controllers to hand down."""
    group = real_version_2() / f"traffic-tui-test-{tmp_path.name}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        ran = subprocess.run(
            [sys.executable, "-c", ASIDE, str(group)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        end_group_tree(str(group))
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == ["True True [] False", "True"]
    assert not group.exists()


def test_an_agent_that_is_not_alone_leaves_the_others_where_they_are(tmp_path: Path) -> None:
    files(tmp_path, cgroup__procs="1\n")
    delegation = Delegation(Hierarchy(2, tmp_path, ALL), "agent")
    assert delegation._step_aside() is False
    assert not (tmp_path / "agent-self").exists()


def test_a_folder_with_something_in_it_is_not_removed(tmp_path: Path) -> None:
    files(tmp_path / "group", precious="x")
    assert remove_tree(str(tmp_path / "group")) is False
    assert (tmp_path / "group" / "precious").exists()
    (tmp_path / "group" / "precious").unlink()
    assert remove_tree(str(tmp_path / "group")) is True

"""Runs as a process of its own and alone: waits for its agent's end, then kills what is left.

Lines on standard input name process groups, ``+PGID`` to guard and ``-PGID`` to forget, and the
control groups that the agent makes its jobs' in, ``=PATH``. The end of the input means that the
agent is gone. It imports nothing of ours, so that it starts quickly.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

ROUNDS = 3
"""How often to look for marked processes: one may be forking while we look."""
END_SECONDS = 5.0
PAUSE_SECONDS = 0.005


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    control_groups: list[str] = []
    for line in sys.stdin:
        sign, rest = line[:1], line[1:].rstrip("\n")
        if sign == "=":
            control_groups.append(rest)
        elif sign == "+":
            groups.add(int(rest))
        else:
            groups.discard(int(rest))
    for group in groups:
        kill_group(group)
    for path in control_groups:
        end_group_tree(path)
    for _ in range(ROUNDS):
        kill_marked(sys.argv[1].encode())


def kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        return


def end_group_tree(path: str) -> None:
    """Kill everything in a control group and in those below it, and remove them, in bounded time.

    By ``cgroup.kill`` where there is one, else by freezing first: what is frozen cannot fork.
    """
    ends_at = time.monotonic() + END_SECONDS
    while not remove_tree(path) and time.monotonic() < ends_at:
        for folder, _, _ in os.walk(path):
            end_group(folder)
        time.sleep(PAUSE_SECONDS)


def end_group(path: str) -> None:
    """Kill every process that is in this control group now."""
    if write(f"{path}/cgroup.kill", "1"):
        return
    is_frozen = write(f"{path}/freezer.state", "FROZEN")
    for process in members(path):
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)
    if is_frozen:
        write(f"{path}/freezer.state", "THAWED")


def members(path: str) -> list[int]:
    try:
        with open(f"{path}/cgroup.procs") as file:  # noqa: PTH123
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def remove_tree(path: str) -> bool:
    """Whether the control group is no more. Only empty ones can be removed."""
    for folder, _, _ in os.walk(path, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)  # noqa: PTH106
    return not os.path.isdir(path)  # noqa: PTH112


def write(path: str, text: str) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY)  # never make a file where the kernel has none
    except OSError:
        return False
    try:
        os.write(fd, text.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def kill_marked(mark: bytes) -> None:
    """Kill every process whose environment holds the mark; only where there is /proc."""
    try:
        processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        return
    for process in processes:
        if process != os.getpid() and is_marked(process, mark):
            try:
                os.kill(process, signal.SIGKILL)
            except OSError:
                continue


def is_marked(process: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{process}/environ", "rb") as file:  # noqa: PTH123
            return mark in file.read().split(b"\0")
    except OSError:
        return False


if __name__ == "__main__":
    main()

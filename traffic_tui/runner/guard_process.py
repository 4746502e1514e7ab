"""Runs as a process of its own and alone: waits for its agent's end, then kills what is left.

Lines on standard input name process groups, ``+PGID`` to guard and ``-PGID`` to forget. The end
of the input means that the agent is gone. It imports nothing of ours, so that it starts quickly.
"""

from __future__ import annotations

import os
import signal
import sys

ROUNDS = 3
"""How often to look for marked processes: one may be forking while we look."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        sign, group = line[:1], int(line[1:])
        if sign == "+":
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        kill_group(group)
    for _ in range(ROUNDS):
        kill_marked(sys.argv[1].encode())


def kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        return


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

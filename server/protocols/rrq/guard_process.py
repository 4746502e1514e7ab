"""Runs as a process of its own and alone: waits for the coordinator's end, then kills runners.

Lines on standard input name process groups, ``+PGID`` to guard and ``-PGID`` to forget. The end
of the input means that the coordinator is gone. It imports nothing of ours, so that it starts
quickly and stays small.
"""

from __future__ import annotations

import os
import signal
import sys


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
        try:
            os.killpg(group, signal.SIGKILL)
        except OSError:
            continue


if __name__ == "__main__":
    main()

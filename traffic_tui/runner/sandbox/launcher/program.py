"""The last steps before the program: its limits, its rights, its files; then it takes over."""

from __future__ import annotations

import os
import resource

from traffic_tui.runner.sandbox.launcher import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:  # a program waits for us, and typing takes long to import
    import signal
    from collections.abc import Mapping
    from typing import Any
else:
    import _signal as signal  # likewise: without its enums

KEPT_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 10})
"""chown, dac_override, fowner, fsetid, kill, setgid, setuid, net_bind_service: what installing
and serving inside the room needs. Nothing that mounts, traces, or configures."""
_MOST_CAPABILITIES = 64


def become(plan: Mapping[str, Any], joins: list[int], *, is_roomed: bool) -> None:
    """Run the program in this process. Raises OSError where that cannot be done."""
    for fd in joins:
        os.write(fd, b"0")  # this process, whatever number it has out there
    for name, most in plan["rlimits"].items():
        _limit(getattr(resource, name), most)
    if is_roomed:
        os.setsid()
        _hide_own_cgroup()
        _give_up_rights()
    _reset_signals()
    os.chdir(plan["cwd"])
    for fd in plan["pass_fds"]:
        os.set_inheritable(fd, True)
    os.execvpe(plan["argv"][0], plan["argv"], plan["env"])  # noqa: S606


def _limit(which: int, most: int) -> None:
    """Lower a limit; one that is lower already stays."""
    _, hard = resource.getrlimit(which)
    lowest = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (lowest, lowest))


def _hide_own_cgroup() -> None:
    try:
        syscalls.unshare(syscalls.NEW_CGROUPS)
    except OSError:
        return  # only the name of its group is seen, none of its files


def _give_up_rights() -> None:
    for number in range(_MOST_CAPABILITIES):
        if number not in KEPT_CAPABILITIES and not syscalls.drop_capability(number):
            break
    syscalls.forbid_new_privileges()


def _reset_signals() -> None:
    """As a program expects to find them; Python ignores some, and we block others."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())

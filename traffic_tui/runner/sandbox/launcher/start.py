"""From a plan to a running program, and then to the word of how it ended.

Without a room the program simply takes this process over. With one there are three processes:
this one, which the agent knows; the first one inside, which reaps, passes signals on and takes
everything inside with it when it dies; and the program.
"""

from __future__ import annotations

import marshal
import os
import sys

from traffic_tui.runner.sandbox.launcher import program, room, syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:  # a program waits for us, and typing takes long to import
    import signal
    from collections.abc import Callable, Mapping
    from typing import Any
else:
    import _signal as signal  # likewise: without its enums

PASSED_ON = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
)
WATCHED = (*PASSED_ON, signal.SIGCHLD)
FAILED = 111
"""Our exit code where the program was never started; what was wrong is told before."""


def main() -> None:
    status = int(sys.argv[1])
    os.set_inheritable(status, False)
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        plan = _read_plan(int(sys.argv[2]))
        for fd in plan["pass_fds"]:
            os.set_inheritable(fd, False)
        joins = [os.open(path, os.O_WRONLY | os.O_CLOEXEC) for path in plan["groups"]]
        if plan["is_roomed"]:
            _run_in_room(plan, joins, status)
        else:
            program.become(plan, joins, is_roomed=False)
    except OSError as error:
        _fail(status, error)


def _read_plan(fd: int) -> Mapping[str, Any]:
    """What our own agent wrote, so it can be trusted."""
    with os.fdopen(fd, "rb") as file:
        plan: Mapping[str, Any] = marshal.load(file)  # noqa: S302
    return plan


def _run_in_room(plan: Mapping[str, Any], joins: list[int], status: int) -> None:
    copies = room.enter(plan)
    alive, is_alive = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(is_alive)
        try:
            _be_first(plan, copies, joins, status, alive)
        except OSError as error:
            _fail(status, error)
        os._exit(0)
    _let_go([*plan["pass_fds"], *joins, *copies.values(), alive, status])
    _serve(first, lambda number: os.kill(first, number))
    os._exit(0)


def _be_first(
    plan: Mapping[str, Any],
    copies: Mapping[str, int],
    joins: list[int],
    status: int,
    alive: int,
) -> None:
    """The init of the room: its end is the end of everything in it."""
    syscalls.die_with_parent(signal.SIGKILL)
    os.set_blocking(alive, False)
    try:
        if os.read(alive, 1) == b"":
            os._exit(0)  # the parent was gone before it could be watched
    except BlockingIOError:
        pass
    room.furnish(plan, copies)
    for fd in copies.values():
        os.close(fd)
    child = os.fork()
    if child == 0:
        try:
            program.become(plan, joins, is_roomed=True)
        except OSError as error:
            _fail(status, error)
    _let_go([*plan["pass_fds"], *joins])
    _serve(child, lambda number: _signal_group(child, number), status)


def _signal_group(leader: int, number: int) -> None:
    """Signal the program's group, or the program where it does not lead one yet."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        os.kill(leader, number)


def _serve(child: int, pass_on: Callable[[int], None], status: int | None = None) -> None:
    """Pass signals on and reap, until no child is left. Tell how ``child`` ended."""
    while True:
        number = signal.sigwait(WATCHED)
        if number != signal.SIGCHLD:
            try:
                pass_on(number)
            except ProcessLookupError:
                continue
        elif not _reap(child, status):
            return


def _reap(child: int, status: int | None) -> bool:
    """Whether there are children left."""
    try:
        while True:
            process, ended, used = os.wait4(-1, os.WNOHANG)
            if process == 0:
                return True
            if process == child and status is not None:
                code = os.waitstatus_to_exitcode(ended)
                os.write(status, f"ended {code} {used.ru_maxrss}\n".encode())
                os.close(status)
    except ChildProcessError:
        return False


def _let_go(descriptors: list[int]) -> None:
    """Keep no pipe of the program's open: its end is seen when the program's end closes."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    os.close(nothing)
    for fd in descriptors:
        os.close(fd)


def _fail(status: int, error: OSError) -> None:
    words = " ".join((error.strerror or str(error)).split())
    if error.filename is not None:
        words = f"{words}: {os.fsdecode(error.filename)}"
    os.write(status, f"failed {words}\n".encode(errors="replace"))
    os._exit(FAILED)

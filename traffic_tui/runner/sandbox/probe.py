"""Whether this box permits rooms: found out by making one, since nothing else is certain."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from traffic_tui.runner.sandbox.plan import Plan
from traffic_tui.runner.sandbox.starting import close_all, has_launcher, launcher_start

if TYPE_CHECKING:
    from traffic_tui.runner.sandbox.plan import Room

SECONDS = 10.0
USER_LIMIT = Path("/proc/sys/user/max_user_namespaces")
DEBIAN_SWITCH = Path("/proc/sys/kernel/unprivileged_userns_clone")
APPARMOR_SWITCH = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")


def room_problem(room: Room) -> str | None:
    """Why a program cannot have this room; None: it can."""
    if not has_launcher():
        return "this system has no namespaces, only Linux has"
    plan = Plan(("true",), {"PATH": os.defpath}, "/", rlimits={"RLIMIT_CORE": 0}, room=room)
    try:
        told = _run(plan)
    except (OSError, subprocess.SubprocessError) as error:
        return f"the launcher cannot be started: {error}"
    if told.startswith("ended 0 "):
        return None
    words = told.strip().removeprefix("failed ") or "the launcher says nothing"
    return words + _hint()


def _run(plan: Plan) -> str:
    start = launcher_start(plan)
    try:
        process = subprocess.Popen(  # noqa: S603  (our own script, with our own interpreter)
            start.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            pass_fds=start.pass_fds,
            start_new_session=True,
        )
    except OSError:
        os.close(start.news_fd)
        raise
    finally:
        close_all(start.theirs)
    with os.fdopen(start.news_fd, "rb") as news:
        try:
            process.wait(SECONDS)
        finally:
            process.kill()
            process.wait()
        return news.read().decode("utf-8", "replace")


def _hint() -> str:
    """What in the system's settings may stand in the way."""
    if _setting(USER_LIMIT) == "0":
        return f" ({USER_LIMIT} is 0)"
    if os.geteuid() != 0 and _setting(DEBIAN_SWITCH) == "0":
        return f" ({DEBIAN_SWITCH} is 0)"
    if os.geteuid() != 0 and _setting(APPARMOR_SWITCH) == "1":
        return f" ({APPARMOR_SWITCH} is 1)"
    return ""


def _setting(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""

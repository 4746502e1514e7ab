"""Real rooms and real control groups for tests, and a reason to skip where there are none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from traffic_tui.runner.errors import RunnerError
from traffic_tui.runner.sandbox.sandbox import Sandbox, SandboxOptions

if TYPE_CHECKING:
    from server.settings import LimitSettings


def opened_sandbox(
    limits: LimitSettings | None = None, folder: Path | None = None, **options: Any
) -> Sandbox:
    """A sandbox with rooms. Skips the test where this box does not permit them."""
    given = {} if limits is None else {"command": limits}
    sandbox = Sandbox(SandboxOptions(limits=given, **options), folder)
    try:
        sandbox.open()
    except RunnerError as error:
        pytest.skip(str(error))
    if not sandbox.is_roomy:
        sandbox.close()
        pytest.skip(f"no namespaces here: {sandbox.why_not}")
    return sandbox


def need_group(sandbox: Sandbox, *controllers: str) -> None:
    """Skip the test unless control groups can hold these limits here."""
    words = sandbox.problems()
    for controller in controllers:
        if sandbox.version_of(controller) is None:
            sandbox.close()
            pytest.skip(f"no control group for {controller} here: {'; '.join(words)}")


def processes_in(sandbox: Sandbox) -> set[int]:
    """Everything that is alive in the sandbox's control groups."""
    found: set[int] = set()
    for path in sandbox.group_paths:
        for members in Path(path).rglob("cgroup.procs"):
            found.update(int(word) for word in members.read_text().split())
    return found


def groups_in(sandbox: Sandbox) -> list[Path]:
    """Control groups of jobs that are there now."""
    return [
        entry for path in sandbox.group_paths for entry in Path(path).iterdir() if entry.is_dir()
    ]

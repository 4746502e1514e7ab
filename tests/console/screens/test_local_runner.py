"""The runner that a console starts on its own box."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from traffic_tui.local_runner import LocalRunner


async def test_one_that_is_starting_runs_so_that_no_second_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_fail = asyncio.Event()

    async def slow(*command: str, **how: Any) -> Any:
        await may_fail.wait()
        raise OSError("no processes are left")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slow)
    runner = LocalRunner("http://127.0.0.1:1")
    seen = [runner.is_running]
    starting = asyncio.create_task(runner.start())
    await asyncio.sleep(0)
    seen.append(runner.is_running)
    may_fail.set()
    with pytest.raises(OSError, match="no processes"):
        await starting
    assert [*seen, runner.is_running] == [False, True, False]

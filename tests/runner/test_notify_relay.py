"""Hearing of jobs through a relay, whatever that answers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from traffic_tui.runner.connectors import notify_relay
from traffic_tui.runner.connectors.notify_relay import RelayListener
from traffic_tui.runner.options import NotifyRelay

NEW_JOB = b'{"messages":{"runpack_notifications":[{"message":"{\\"type\\":\\"new_job\\"}"}]}}'


@pytest.mark.parametrize("answer", [b"{}", NEW_JOB], ids=["nothing", "a job"])
async def test_a_relay_that_never_lets_wait_is_not_asked_without_pause(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify_relay, "LEAST_POLL_SECONDS", 3_600.0)
    told: list[None] = []
    listener = RelayListener(
        NotifyRelay("http://127.0.0.1:1", "key", "me"), lambda: told.append(None)
    )
    polls = 0

    async def call(*args: Any, **options: Any) -> tuple[int, bytes]:
        nonlocal polls
        polls += 1
        await asyncio.sleep(0)
        return 200, answer

    monkeypatch.setattr(listener._link, "call", call)
    running = asyncio.create_task(listener.run())
    for _ in range(100):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    assert polls == 1
    assert len(told) == (answer == NEW_JOB)

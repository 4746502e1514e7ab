"""A range under kill -9: every unit is done, none is in two pieces, and nothing is forgotten."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.end_to_end.service import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RUNNERS = 3
CRASHES = 3
HOUR = 3_600_000_000
PIECES = 1_500
END = PIECES * HOUR - 1
FAILING = 7
"""Every so many-th report is a failure, and is tried again."""
TRIES = 12
DONE_SECONDS = 90.0


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    made = Service(tmp_path, lease_seconds=60)
    await made.start()
    yield made
    await made.stop()


@dataclass
class Crawl:
    """Runners that go on through crashes and note what they were told is done."""

    service: Service
    done: list[tuple[int, int]] = field(default_factory=list)
    reports: int = 0
    is_over: bool = False

    async def run(self, name: int) -> None:
        async with self.service.client("runner") as client:
            hello = {"name": f"r{name}", "nonce": "1", "capacity": 8, "types": ["range"]}
            path = "/api/native-v2/runner"
            welcome = await self._until_answered(client, f"{path}/hello", hello)
            head = {"session": welcome["session"], "secret": welcome["secret"]}
            path = f"{path}/{welcome['runner_id']}/sync"
            held: dict[str, tuple[int, int]] = {}
            sequence = 0
            while not self.is_over:
                sequence += 1
                reports = [self._report(attempt) for attempt in held]
                said = head | {"sequence": sequence, "held": [], "free": 8, "reports": reports}
                answer = await self._until_answered(client, path, said)
                if answer is None:
                    return
                self._note(reports, held, answer)
                held = {one["attempt"]: _ends(one["params"]) for one in answer["assign"]}
                if not held:
                    await asyncio.sleep(0.02)

    def _report(self, attempt: str) -> dict[str, Any]:
        self.reports += 1
        if self.reports % FAILING:
            return {"attempt": attempt, "state": "success"}
        return {"attempt": attempt, "state": "error", "error": {"message": "again"}}

    def _note(
        self,
        reports: list[dict[str, Any]],
        held: dict[str, tuple[int, int]],
        answer: dict[str, Any],
    ) -> None:
        refused = {one["attempt"] for one in answer["refused"]}
        for report in reports:
            if report["state"] == "success" and report["attempt"] not in refused:
                self.done.append(held[report["attempt"]])

    async def _until_answered(
        self, client: httpx.AsyncClient, path: str, body: dict[str, Any]
    ) -> Any:
        """Repeat the same request until it is answered, as every good runner does."""
        while True:
            try:
                answer = await client.post(path, json=body)
            except httpx.TransportError:
                if self.is_over:
                    return None
                await asyncio.sleep(0.02)
                continue
            assert answer.status_code < 300, answer.text
            return answer.json()


def _ends(params: dict[str, Any]) -> tuple[int, int]:
    return params["cursor_from"], params["cursor_to"]


@pytest.mark.timeout(180)
async def test_kill_nine_under_a_range_leaves_no_gap_and_no_overlap(service: Service) -> None:
    async with service.client("operator") as client:
        body = {
            "range": [0, END],
            "max_attempts": TRIES,
            "retry": {"base_delay": 0.01, "jitter": 0},
        }
        made = (await client.post("/api/operator/v1/jobs", json=body)).json()["job"]
    crawl = Crawl(service)
    chance = random.Random(11)
    tasks = [asyncio.ensure_future(crawl.run(number)) for number in range(RUNNERS)]
    for _ in range(CRASHES):
        await asyncio.sleep(chance.uniform(0.2, 0.6))
        await service.kill()
        await service.start()
    detail = await _ended(service, made["number"])
    crawl.is_over = True
    await asyncio.gather(*tasks)
    _verify(crawl, detail)


async def _ended(service: Service, number: int) -> dict[str, Any]:
    async with service.client("operator") as client, asyncio.timeout(DONE_SECONDS):
        while True:
            answer = await client.get(f"/api/operator/v1/jobs/{number}")
            detail: dict[str, Any] = answer.json()
            if detail["job"]["state"] not in ("in_progress", "stopping"):
                return detail
            await asyncio.sleep(0.1)


def _verify(crawl: Crawl, detail: dict[str, Any]) -> None:
    assert detail["job"]["state"] == "completed", detail["job"]["error"]
    assert detail["job"]["coverage"]["covered"] == END + 1
    assert detail["job"]["coverage"]["spent_pieces"] == 0
    ordered = sorted(set(crawl.done))
    assert ordered[0][0] == 0
    assert ordered[-1][1] == END
    for one, other in itertools.pairwise(ordered):
        assert one[1] + 1 == other[0]
    assert len(ordered) == PIECES

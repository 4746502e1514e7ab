"""Cables are pulled: kill -9 under load, and a coordinator that stands still."""

from __future__ import annotations

import asyncio
import base64
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.end_to_end.service import Service

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SUBMITTERS = 2
RUNNERS = 3
CRASHES = 4
ENOUGH = 20
"""Submits and ends that tell something, where nothing is lost of them."""
ENOUGH_SECONDS = 60


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    made = Service(tmp_path)
    await made.start()
    yield made
    await made.stop()


@dataclass
class Load:
    """Clients and runners that go on through crashes and note what was acknowledged."""

    service: Service
    submitted: dict[str, int] = field(default_factory=dict)
    """Job id -> number, for each acknowledged submit."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Attempt -> acknowledged final reports."""
    jobs_of: dict[str, str] = field(default_factory=dict)
    output: dict[str, bytes] = field(default_factory=dict)
    """Attempt -> acknowledged console bytes."""
    is_over: bool = False

    async def submit(self, name: int) -> None:
        count = 0
        async with self.service.client("submit") as client:
            while not self.is_over:
                count += 1
                jobs = [{"type": "noop", "params": {"n": count}} for _ in range(3)]
                answer = await self._until_answered(
                    client,
                    "/api/native-v2/jobs",
                    {"jobs": jobs},
                    {"idempotency-key": f"{name}-{count}"},
                )
                if answer is not None:
                    self.submitted.update({job["id"]: job["number"] for job in answer["jobs"]})
                await asyncio.sleep(0.01)

    async def run(self, name: int) -> None:
        async with self.service.client("runner") as client:
            hello = {"name": f"r{name}", "nonce": "1", "capacity": 4, "types": ["noop"]}
            path = "/api/native-v2/runner"
            welcome = await self._until_answered(client, f"{path}/hello", hello)
            if welcome is None:
                return
            session = {"session": welcome["session"], "secret": welcome["secret"]}
            path = f"{path}/{welcome['runner_id']}/sync"
            held: list[str] = []
            sequence = 0
            while not self.is_over:
                sequence += 1
                said = self._words(held) | session | {"sequence": sequence, "held": []}
                answer = await self._until_answered(client, path, said)
                if answer is None:
                    return
                self._note(said, answer)
                held = [one["attempt"] for one in answer["assign"]]
                self.jobs_of.update({one["attempt"]: one["job"] for one in answer["assign"]})

    def _words(self, held: list[str]) -> dict[str, Any]:
        text = {attempt: f"output of {attempt}\n".encode() for attempt in held}
        return {
            "free": 4,
            "reports": [
                {"attempt": attempt, "state": "success", "result": {"by": attempt}}
                for attempt in held
            ],
            "output": [
                {
                    "attempt": attempt,
                    "stream": "stdout",
                    "offset": 0,
                    "data": base64.b64encode(data).decode(),
                }
                for attempt, data in text.items()
            ],
        }

    def _note(self, said: dict[str, Any], answer: dict[str, Any]) -> None:
        refused = {one["attempt"] for one in answer["refused"]}
        for report in said["reports"]:
            if report["attempt"] not in refused:
                self.outcomes[report["attempt"]] += 1
        for piece in said["output"]:
            if piece["attempt"] not in refused:
                self.output[piece["attempt"]] = base64.b64decode(piece["data"])

    async def _until_answered(
        self,
        client: httpx.AsyncClient,
        path: str,
        body: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Repeat the same request until it is answered, as every good client does."""
        while True:
            try:
                answer = await client.post(path, json=body, headers=headers)
            except httpx.TransportError:
                if self.is_over:
                    return None
                await asyncio.sleep(0.02)
                continue
            if answer.status_code == 503:
                await asyncio.sleep(0.05)
                continue
            assert answer.status_code < 300, answer.text
            return answer.json()


@pytest.mark.timeout(180)
async def test_kill_nine_under_load_loses_nothing_that_was_acknowledged(service: Service) -> None:
    load = Load(service)
    chance = random.Random(7)
    tasks = [asyncio.ensure_future(load.submit(number)) for number in range(SUBMITTERS)]
    tasks += [asyncio.ensure_future(load.run(number)) for number in range(RUNNERS)]
    for _ in range(CRASHES):
        await asyncio.sleep(chance.uniform(0.3, 0.9))
        await service.kill()
        await service.start()
    async with asyncio.timeout(ENOUGH_SECONDS):
        while min(len(load.submitted), len(load.outcomes)) <= ENOUGH:  # noqa: ASYNC110  (other tasks)
            await asyncio.sleep(0.05)
    load.is_over = True
    await asyncio.gather(*tasks)
    await _verify(service, load)


async def _verify(service: Service, load: Load) -> None:
    async with service.client("operator") as client:
        api = "/api/operator/v1/jobs"
        states: Counter[str] = Counter()
        for job_id in load.submitted:
            answer = await client.get(f"{api}/{job_id}")
            assert answer.status_code == 200, f"job {job_id} was acknowledged and is gone"
            detail = answer.json()
            states[detail["job"]["state"]] += 1
            ends = [event for event in detail["events"] if event["kind"] == "completed"]
            assert len(ends) <= 1, f"job {job_id} ended twice"
            succeeded = [one for one in detail["attempts"] if one["outcome"] == "success"]
            assert len(succeeded) <= 1
            for attempt in detail["attempts"]:
                if load.outcomes[attempt["id"]]:
                    assert attempt["outcome"] == "success"
                    assert detail["job"]["result"] == {"by": attempt["id"]}
        for attempt, data in load.output.items():
            job_id = load.jobs_of[attempt]
            answer = await client.get(f"{api}/{job_id}/output", params={"attempt": attempt})
            assert answer.content == data
        assert states["completed"] >= len(load.outcomes)


@pytest.mark.timeout(120)
async def test_standing_still_longer_than_the_lease_expires_no_healthy_job(tmp_path: Path) -> None:
    service = Service(tmp_path, lease_seconds=4)  # a runner that is late by some does not matter
    await service.start()
    try:
        await _stand_still(service)
    finally:
        await service.stop()


async def _stand_still(service: Service) -> None:
    async with service.client("submit") as client:
        body = {"jobs": [{"type": "noop", "params": {}}]}
        made = (await client.post("/api/native-v2/jobs", json=body)).json()["jobs"][0]
    async with service.client("runner") as runner, service.client("operator") as operator:
        path = "/api/native-v2/runner"
        hello = {"name": "r", "nonce": "1", "capacity": 1, "types": ["noop"]}
        welcome = (await runner.post(f"{path}/hello", json=hello)).json()
        path = f"{path}/{welcome['runner_id']}/sync"
        head = {"session": welcome["session"], "secret": welcome["secret"]}
        first = await runner.post(path, json=head | {"sequence": 1, "free": 1})
        held = [one["attempt"] for one in first.json()["assign"]]
        beat = await runner.post(path, json=head | {"sequence": 2, "held": held})
        assert beat.status_code == 200
        service.signal(signal.SIGSTOP)
        await asyncio.sleep(6)
        service.signal(signal.SIGCONT)
        await asyncio.sleep(1)
        answer = await runner.post(path, json=head | {"sequence": 3, "held": held})
        assert answer.status_code == 200
        assert answer.json()["stop"] == []
        detail = (await operator.get(f"/api/operator/v1/jobs/{made['id']}")).json()
        assert detail["job"]["state"] == "in_progress"
        assert detail["job"]["attempts"] == 1

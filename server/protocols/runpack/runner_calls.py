"""What runners do: register, list, claim, beat, complete, fail."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from server.coordinator import Introduction
from server.ids import new_uuid
from server.protocols.runpack import codec
from server.protocols.runpack.answers import Answer, answer, rejected
from server.traits import RUNPACK

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from server.model import Runner
    from server.protocols.runpack.codec import Ending
    from server.settings import RunpackSettings

MAX_LISTED = 50
MAX_TYPES = 1_000
NOT_CLAIMED = answer(409, success=False, message="Job already claimed or not found")
NOT_YOURS = answer(400, success=False, message="Job not found or not claimed by this runner")
HEARD = answer(200, success=True, message="Heartbeat updated successfully")
COMPLETED = answer(200, success=True, message="Job completed successfully")
FAILED = answer(200, success=True, message="Job marked as failed successfully")


class RunnerCalls:
    """Calls of runners, which name the job and, in a header, themselves."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    async def register(self, body: bytes, address: str) -> Answer:
        """Every registration makes a new runner, whatever its name."""
        wanted = codec.registration(body)
        runner = await self._coordinator.register_runner(
            Introduction(
                protocol=RUNPACK.protocol,
                identity=new_uuid(),
                name=wanted.name,
                types=wanted.capabilities,
                address=address,
            )
        )
        return answer(201, runner_id=runner.uuid, message="Runner registered successfully")

    def verify(self, runner_uuid: str) -> Answer:
        """Whether a runner is known. It does not count as having been heard."""
        runner = self._find(runner_uuid)
        if runner is None:
            return answer(404, exists=False, message="Runner not found")
        return answer(
            200, exists=True, runner_name=runner.name, message="Runner verified successfully"
        )

    async def available(self, runner_uuid: str, query: bytes) -> Answer:
        """Waiting jobs of the types asked for; what the runner registered does not matter."""
        runner = self._find(runner_uuid)
        if runner is not None:
            await self._coordinator.touch_runner(runner.id)
        runner_id = 0 if runner is None else runner.id
        types = _types(query)
        jobs = await self._coordinator.available(runner_id, types, MAX_LISTED) if types else []
        lines = [
            {
                "job_id": job.uuid,
                "job_type": job_type,
                "input_params": msgspec.Raw(task.params),
                "created_at": job.created_at,
            }
            for job, job_type, task in jobs
        ]
        return answer(200, jobs=lines)

    async def claim(self, runner_uuid: str, job_uuid: str) -> Answer:
        runner = self._find(runner_uuid)
        if runner is None:
            raise rejected("Runner not found", 404)
        assigned = await self._coordinator.claim_job(runner.id, job_uuid)
        if assigned is None:
            return NOT_CLAIMED
        job = {
            "job_id": assigned.job.uuid,
            "job_type": assigned.type,
            "input_params": msgspec.Raw(assigned.task.params),
        }
        return answer(200, success=True, message="Job claimed successfully", job=job)

    async def heartbeat(self, runner_uuid: str, job_uuid: str, body: bytes) -> Answer:
        beat = codec.beat(body, self._settings)
        runner = self._find(runner_uuid)
        if runner is None or not await self._coordinator.job_heartbeat(
            runner.id, job_uuid, console=beat.console, progress=beat.progress
        ):
            return NOT_YOURS
        return HEARD

    async def complete(self, runner_uuid: str, job_uuid: str, body: bytes) -> Answer:
        ending = codec.completion(body, self._settings)
        return await self._finish(runner_uuid, job_uuid, ending, COMPLETED)

    async def error(self, runner_uuid: str, job_uuid: str, body: bytes) -> Answer:
        ending = codec.failure(body, self._settings)
        return await self._finish(runner_uuid, job_uuid, ending, FAILED)

    async def _finish(
        self, runner_uuid: str, job_uuid: str, ending: Ending, done: Answer
    ) -> Answer:
        runner = self._find(runner_uuid)
        if runner is None or not await self._coordinator.finish_job(
            runner.id, job_uuid, ending.outcome, console=ending.console
        ):
            return NOT_YOURS
        return done

    def _find(self, runner_uuid: str) -> Runner | None:
        runner = self._coordinator.introduced(runner_uuid)
        if runner is None or runner.protocol != RUNPACK.protocol or runner.is_forgotten:
            return None
        return runner

    @property
    def _settings(self) -> RunpackSettings:
        return self._coordinator.settings.protocols.runpack


def _types(query: bytes) -> list[str]:
    """The ``types[]`` parameters; a plain ``types`` is not looked at."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return list(dict.fromkeys(value for name, value in pairs if name == "types[]"))[:MAX_TYPES]

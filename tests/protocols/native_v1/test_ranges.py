"""A range in pieces, over real webhooks, while runners die, err, refuse and reboot."""

from __future__ import annotations

from contextlib import AsyncExitStack
from random import Random
from typing import TYPE_CHECKING, Any

from server.model import JobSpec, RetryPolicy
from server.ranges import Range, normalised, overlap
from tests.protocols.native_v1.runner import Runner, a_runner, status
from tests.protocols.native_v1.world import SAM, a_world, settings_of

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from server.model import Job
    from tests.protocols.native_v1.world import World

PIECE_MS = 1
WHOLE = Range(10, 40_499)
"""41 pieces of at most a thousand units."""


class Crawlers:
    """Runners that fail in every way, and a look at what is under way at any moment."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.under_way: dict[tuple[int, str], Range] = {}
        self.most_at_once = 0
        self.done: list[Range] = []
        self.overlapping: list[tuple[Range, Range]] = []

    def hire(self, runner: Runner) -> None:
        async def take(job: dict[str, Any], writer: asyncio.StreamWriter) -> None:
            await self._take(runner, job, writer)

        runner.answer = take
        runner.checks_life = True

    async def _take(
        self, runner: Runner, job: dict[str, Any], writer: asyncio.StreamWriter
    ) -> None:
        fate = self._random.random()
        if fate < 0.1:
            await status(500)(job, writer)
            return
        piece = Range(int(job["cursor_from"]), int(job["cursor_to"]))
        assert piece.units <= PIECE_MS * 1_000
        self._begin(runner, job["job_id"], piece)
        await status(200)(job, writer)
        await runner.say("running", job)
        if self.under_way.pop((runner.port, job["job_id"]), None) is None:
            return  # it went down with its runner
        if fate < 0.2:
            await runner.say("error", job)
        elif fate < 0.3:
            await runner.say("stopped", job)
        elif fate < 0.33:
            await self._reboot(runner)
        else:
            self.done.append(piece)
            await runner.say("completed", job)

    def _begin(self, runner: Runner, job_id: str, piece: Range) -> None:
        self.overlapping += [
            (piece, other) for other in self.under_way.values() if overlap(piece, other)
        ]
        self.under_way[runner.port, job_id] = piece
        self.most_at_once = max(self.most_at_once, len(self.under_way))

    async def _reboot(self, runner: Runner) -> None:
        """What it was doing is lost with the old life, and so are its connections."""
        await runner.die()
        for port, job_id in list(self.under_way):
            if port == runner.port:
                del self.under_way[port, job_id]
        runner.nonce = f"{runner.nonce}'"
        await runner.listen()
        await runner.hello()


async def submit(world: World) -> Job:
    spec = JobSpec(
        "range",
        range=WHOLE,
        max_attempts=100,
        retry=RetryPolicy(base_delay_ms=1, jitter=0, max_losses=100),
    )
    [submitted] = await world.coordinator.submit(SAM, [spec])
    return submitted.job


async def test_every_piece_is_done_whatever_happens_to_runners(tmp_path: Path) -> None:
    crawlers = Crawlers(Random(7))
    settings = settings_of(max_assignable_cursor_ms=PIECE_MS)
    async with a_world(tmp_path, settings) as world, AsyncExitStack() as stack:
        for number in range(4):
            runner = await stack.enter_async_context(
                a_runner(world, nonce=f"boot of {number}", says_hello=False)
            )
            crawlers.hire(runner)
            await runner.hello(capacity=1 + number)
        job = await submit(world)
        await world.becomes(job, "completed")
    assert normalised(crawlers.done) == [WHOLE]
    assert crawlers.most_at_once > 1
    assert crawlers.overlapping == []

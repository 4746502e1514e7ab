"""Random commands, losses, reboots and silences against the real coordinator and store.

Whatever happens: no job has two live attempts that count, none is decided twice, none is lost,
no slot and no limit is exceeded, and the counters tell the truth. In the end, with healthy
runners, every job comes to rest.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from server.coordinator import AttemptReport
from server.errors import Refused, UnknownSession
from server.model import FINAL_STATES, JobSpec, Outcome, RetryPolicy
from server.store.base import JobQuery
from tests.server.core.world import CI, LEASE_SECONDS, SAM, FakeRunner, World, a_world

if TYPE_CHECKING:
    from server.coordinator import Assigned
    from server.model import JobState

RUNNERS = ("lab-0", "lab-1", "lab-2")
QUEUES = ("default", "gpu")
GPU_LIMIT = 2
CAPACITY = 2
OUTCOMES = (
    Outcome("success", result=b"1"),
    Outcome("error", "boom"),
    Outcome("cancelled"),
    Outcome("timeout"),
    Outcome("refused", "no"),
    Outcome("retry", retry_after_ms=1_000),
)
RETRY = RetryPolicy(base_delay_ms=1_000, jitter=0.1, max_losses=2)

Command = tuple[str, int, int]
COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "submit",
                "submit",
                "exchange",
                "exchange",
                "exchange",
                "lose_answer",
                "finish",
                "finish",
                "stop",
                "give_up",
                "reassign",
                "move_queue",
                "resubmit",
                "prioritise",
                "delete",
                "reboot",
                "forget_all",
                "silence",
                "drain",
                "second",
                "late",
                "stand",
                "stand",
                "set_clock",
            ]
        ),
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    min_size=10,
    max_size=80,
)


class Chaos:
    """Plays commands and checks after each."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.runners: dict[str, FakeRunner] = {}
        self.boots = 0
        self.numbers: list[int] = []
        self.deleted: set[int] = set()
        self.decided: dict[int, JobState] = {}
        self.old_attempts: list[str] = []
        self.standing: dict[str, ExitStack] = {}

    async def begin(self) -> None:
        # Time passes in commands alone: a look of its own could hand jobs out amid a check.
        await self.world.coordinator._sweeper.stop()
        for name in RUNNERS:
            await self.boot(name)
        await self.submit(0, 1)
        await self.world.coordinator.limit_queue(SAM, "gpu", GPU_LIMIT)

    async def boot(self, name: str) -> None:
        self.boots += 1
        self.end_standing(name)
        runner = await self.world.runner(name, nonce=f"boot-{self.boots}", capacity=CAPACITY)
        self.runners[name] = runner

    async def play(self, command: Command) -> None:
        word, first, second = command
        try:
            await getattr(self, word)(first, second)
        except Refused as refusal:
            assert refusal.message
        await self.check()

    def runner(self, number: int) -> FakeRunner:
        return self.runners[RUNNERS[number % len(RUNNERS)]]

    def number(self, place: int) -> int | None:
        known = [number for number in self.numbers if number not in self.deleted]
        return known[-1 - place % len(known)] if known else None

    # commands --------------------------------------------------------------------------------

    async def submit(self, first: int, second: int) -> None:
        spec = JobSpec(
            "fib",
            queue=QUEUES[second % 2],
            priority=first,
            max_attempts=1 + first % 2,
            retry=RETRY,
            timeout_ms=4_000 if first == 5 else 0,
        )
        submitted = await self.world.coordinator.submit(CI, [spec] * (1 + second % 3))
        self.numbers += [one.job.id for one in submitted]

    async def exchange(self, first: int, second: int) -> None:
        runner = self.runner(first)
        try:
            told = await runner.exchange()
        except UnknownSession:
            runner.held.clear()
            await self.boot(RUNNERS[first % len(RUNNERS)])
            return
        assert len(runner.held) <= CAPACITY + len(told.stop)

    async def lose_answer(self, first: int, second: int) -> None:
        try:
            await self.runner(first).exchange(answer_is_lost=True)
        except UnknownSession:
            await self.boot(RUNNERS[first % len(RUNNERS)])

    async def finish(self, first: int, second: int) -> None:
        runner = self.runner(first)
        if not runner.held:
            return
        uuid = sorted(runner.held)[0]
        self.old_attempts.append(uuid)
        report = AttemptReport(uuid, OUTCOMES[second % len(OUTCOMES)])
        await runner.exchange(report, free=0)

    async def late(self, first: int, second: int) -> None:
        """Somebody repeats an old report, on whatever session."""
        if not self.old_attempts:
            return
        uuid = self.old_attempts[first % len(self.old_attempts)]
        runner = self.runner(second)
        await runner.exchange(AttemptReport(uuid, OUTCOMES[first]), free=0)

    async def stop(self, first: int, second: int) -> None:
        number = self.number(first)
        if number is not None:
            await self.world.coordinator.stop_job(SAM, number, grace_ms=1_000 * second)

    async def give_up(self, first: int, second: int) -> None:
        number = self.number(first)
        if number is not None:
            await self.world.coordinator.stop_job(SAM, number, abandon=True)

    async def reassign(self, first: int, second: int) -> None:
        number = self.number(first)
        if number is not None:
            runner = self.runner(second).session.runner
            await self.world.coordinator.reassign(SAM, number, runner=runner)

    async def move_queue(self, first: int, second: int) -> None:
        number = self.number(first)
        if number is not None:
            await self.world.coordinator.reassign(SAM, number, queue=QUEUES[second % 2])

    async def resubmit(self, first: int, second: int) -> None:
        number = self.number(first)
        if number is not None:
            acted = await self.world.coordinator.resubmit(SAM, number)
            self.numbers.append(acted.job.id)

    async def prioritise(self, first: int, second: int) -> None:
        number = self.number(first)
        if number is not None:
            await self.world.coordinator.set_priority(SAM, number, second)

    async def delete(self, first: int, second: int) -> None:
        number = self.number(first)
        if number is not None and second == 0:
            self.deleted |= set(await self.world.coordinator.delete(SAM, [number]))

    async def reboot(self, first: int, second: int) -> None:
        await self.boot(RUNNERS[first % len(RUNNERS)])

    async def forget_all(self, first: int, second: int) -> None:
        """A runner's process lost its memory but not its session."""
        self.end_standing(RUNNERS[first % len(RUNNERS)])
        self.runner(first).held.clear()

    async def silence(self, first: int, second: int) -> None:
        await self.world.pass_seconds(LEASE_SECONDS + 1, *self.beating(first))

    async def second(self, first: int, second: int) -> None:
        await self.world.pass_seconds(1 + second, *self.beating(None))

    async def drain(self, first: int, second: int) -> None:
        runner = self.runner(first).session.runner
        if second % 2:
            await self.world.coordinator.resume_runner(SAM, runner)
        else:
            await self.world.coordinator.drain(SAM, runner, move=second == 2)

    async def stand(self, first: int, second: int) -> None:
        """A runner begins, or ends, to take work as it comes, knowing what it holds."""
        name = RUNNERS[first % len(RUNNERS)]
        if self.end_standing(name):
            return
        await self.exchange(first, second)
        runner, lost = self.runners[name], 0

        def take(jobs: list[Assigned]) -> None:
            nonlocal lost
            if second:
                runner.held.update({assigned.attempt.uuid: assigned for assigned in jobs})
            else:
                lost += len(jobs)

        claim = self.world.coordinator.standing_claim(
            runner.session.id, lambda: CAPACITY - len(runner.held) - lost, take
        )
        self.standing[name] = stack = ExitStack()
        stack.enter_context(claim)

    def end_standing(self, name: str) -> bool:
        stack = self.standing.pop(name, None)
        if stack is not None:
            stack.close()
        return stack is not None

    async def set_clock(self, first: int, second: int) -> None:
        self.world.clock.jump((first - 2) * 1_800 * (1 + second))
        await self.world.pass_seconds(1, *self.beating(None))

    def beating(self, silent: int | None) -> list[FakeRunner]:
        quiet = None if silent is None else self.runner(silent)
        return [runner for runner in self.runners.values() if runner is not quiet]

    # what must hold ----------------------------------------------------------------------------

    async def check(self) -> None:
        page = await self.world.coordinator.store.reads.job_page(JobQuery(limit=1_000))
        rows = {row.job.id: row for row in page.rows}
        assert set(rows) == set(self.numbers) - self.deleted, "a job was lost"
        counts = await self.world.coordinator.store.reads.state_counts()
        truth = Counter(row.job.state for row in page.rows)
        assert {state: n for state, n in counts.items() if n} == dict(truth)
        active = Counter(
            row.queue
            for row in page.rows
            if row.job.state in ("claimed", "in_progress", "stopping")
        )
        assert active["gpu"] <= GPU_LIMIT
        for number, row in rows.items():
            await self.check_job(number, row.job.state)
        await self.check_slots()

    async def check_job(self, number: int, state: JobState) -> None:
        if number in self.decided:
            assert state == self.decided[number], f"job {number} was decided twice"
        elif state in FINAL_STATES:
            self.decided[number] = state
        detail = await self.world.coordinator.store.reads.job_detail(number)
        assert detail is not None
        attempts = [row.attempt for row in detail.attempts]
        able = [a for a in attempts if a.state in ("offered", "running", "ending")]
        assert len(able) <= 1, f"job {number} has two attempts that count"
        assert bool(able) == (state in ("claimed", "in_progress", "stopping"))
        assert sum(a.outcome == "success" for a in attempts if a.id == detail.row.job.attempt) <= 1

    async def check_slots(self) -> None:
        live = await self.world.coordinator.store.apply(lambda tx: tx.live_attempts())
        held = Counter(attempt.runner for _, attempt in live)
        for runner in self.world.coordinator.runners():
            assert self.world.coordinator.busy(runner.id) == held[runner.id]

    async def come_to_rest(self) -> None:
        """With healthy runners everything ends."""
        for name in RUNNERS:
            await self.boot(name)
            number = self.runners[name].session.runner
            try:
                await self.world.coordinator.resume_runner(SAM, number)
            except Refused:
                continue
        for _ in range(60):
            for runner in self.runners.values():
                reports = [AttemptReport(u, Outcome("success")) for u in sorted(runner.held)]
                await runner.exchange(*reports)
            await self.world.pass_seconds(2, *self.runners.values())
            counts = await self.world.coordinator.store.reads.state_counts()
            if not any(n for state, n in counts.items() if state not in FINAL_STATES):
                return
        raise AssertionError(f"jobs that never end: {counts}")


async def play(commands: list[Command]) -> None:
    async with a_world() as world:
        chaos = Chaos(world)
        await chaos.begin()
        for command in commands:
            await chaos.play(command)
        await chaos.come_to_rest()
        await chaos.check()


@settings(max_examples=60, deadline=None)
@given(COMMANDS)
def test_whatever_happens_no_job_is_lost_or_decided_twice(commands: list[Command]) -> None:
    asyncio.run(play(commands))

"""What all operator calls share: the coordinator, its reads, and finding what people name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.errors import InvalidInput, NotFound, Refused
from server.ids import MIN_PREFIX
from server.operator.names import NameBook
from server.roles import sees_only_own

if TYPE_CHECKING:
    from server.coordinator import Coordinator
    from server.keyring import Keyring
    from server.model import Actor, Job, Runner, RunnerState
    from server.store.base import Reads, RunnerWork


class OperatorParts:
    """Base of the groups of calls that make up the operator API."""

    def __init__(self, coordinator: Coordinator, reads: Reads, keyring: Keyring) -> None:
        self.coordinator = coordinator
        self.reads = reads
        self.keyring = keyring
        self.names = NameBook(coordinator)

    async def find_job(self, actor: Actor, text: str) -> Job:
        """A job by number, UUID or the beginning of one, if this caller may see it.

        Raises:
            NotFound: there is none, or it is another owner's.
        """
        job = await self.coordinator.resolve(text)
        if sees_only_own(actor.role):
            details = await self.coordinator.store.apply(lambda tx: tx.details_of([job.id]))
            if job.id not in details or details[job.id].owner != actor.name:
                raise NotFound(f"there is no job {text[:60]}")
        return job

    def find_runner(self, text: str) -> Runner:
        """A runner by name, UUID or the beginning of one, as the console and people name them.

        A whole UUID is its runner's alone: runners choose their names, also those of others.
        """
        known = self.coordinator.runners()
        found = [runner for runner in known if runner.uuid == text]
        found = found or [runner for runner in known if runner.name == text]
        if not found and len(text) >= MIN_PREFIX:
            found = [runner for runner in known if runner.uuid.startswith(text.lower())]
        if not found:
            raise NotFound(f"there is no runner {text[:60]}")
        if len(found) > 1:
            ids = ", ".join(runner.uuid for runner in found[:5])
            raise Refused(f"more than one runner is called {text[:60]}: {ids}", code="ambiguous")
        return found[0]

    def find_runner_for_history(self, text: str) -> int:
        """Row id of a runner; forgotten ones are found by their UUID."""
        gone = self.coordinator.runner_by_uuid(text)
        return gone.id if gone is not None else self.find_runner(text).id

    async def longest_silence_ms(self) -> int:
        """The longest silence that any queue allows its running jobs; 0: none minds."""
        queues = await self.coordinator.queues()
        return max((queue.stall_after_ms for queue in queues), default=0)

    def runner_state(self, runner: Runner, work: RunnerWork | None, silence_ms: int) -> RunnerState:
        """The coordinator's word, or ``quiet``: it beats, but all it does is silent for too long.

        The longest silence any queue allows decides, so that no healthy runner is called quiet.
        """
        state = self.coordinator.runner_state(runner)
        if state != "ok" or not silence_ms or work is None or not work.live or not work.heard_at:
            return state
        is_quiet = work.heard_at + silence_ms <= self.coordinator.clock.now_ms()
        return "quiet" if is_quiet else state


def exactly_one(**given: str | None) -> None:
    """Raise InvalidInput unless exactly one of these was given."""
    if sum(value is not None for value in given.values()) != 1:
        raise InvalidInput(f"give exactly one of {' and '.join(given)}")

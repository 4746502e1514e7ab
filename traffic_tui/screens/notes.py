"""NOTE, one line a job: why it waits, its last line of output. Fetched for rows in view only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.model import ACTIVE_STATES
from server.wire.operator import EventView, NoticeView
from traffic_tui.client.base import ClientError
from traffic_tui.screens.waiting_words import waiting_words
from traffic_tui.state.clean_text import clean
from traffic_tui.state.mirror import STATE_AFTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.wire.operator import JobView
    from traffic_tui.client.base import Client
    from traffic_tui.state.mirror import Mirror

MOST_AT_ONCE = 8
"""Notes fetched in one go; the others wait for the next second."""
WAITING_SECONDS = 10.0
"""How long the reason why a job waits is believed, where anything happened since."""
QUIET_SECONDS = 60.0
"""How long it is believed where nothing did: a console that nobody uses costs next to nothing."""
ACT_SECONDS = 30.0
"""How long somebody's act on a row is shown."""
LAST_LINE_BYTES = 600
MOST_UNLISTED = 1_000
"""Jobs that are not listed any more of which something is remembered."""

_ACTS = {
    "stop_requested": "asked it to stop",
    "kill_requested": "asked to kill it",
    "abandoned": "gave up on it",
    "reassigned": "moved it",
    "resubmitted": "ran it again",
    "priority_changed": "changed its priority",
}


class Notes:
    """Which notes are known, and which are to be fetched."""

    def __init__(self, client: Client, mirror: Mirror) -> None:
        self._client = client
        self._mirror = mirror
        self._fetched_at: dict[int, float] = {}
        """By job: when its note was fetched last. Monotonic seconds."""
        self._turn_at: dict[int, float] = {}
        """By job: when it had its turn last, whatever it said since."""
        self._failed: set[int] = set()
        """Jobs of which the last fetch brought nothing."""
        self._heard_at = 0.0
        """When anything at all happened last."""
        self._acts_until: dict[int, float] = {}
        self._is_fetching = False

    def hear(self, items: Iterable[object], now: float) -> None:
        """Somebody's act on a listed job is its note for a while; another state ends a note."""
        for item in items:
            self._heard_at = now
            if isinstance(item, NoticeView) and item.kind == "progress":
                self._went_on(item.number)
            if not isinstance(item, EventView):
                continue
            if item.kind in STATE_AFTER:
                self._forget(item.jobs)
            if item.kind not in _ACTS or not item.actor:
                continue
            reason = f": {clean(item.reason, 200)}" if item.reason else ""
            for number in item.jobs:
                if number in self._mirror.jobs:
                    words = f"{clean(item.actor, 40)} {_ACTS[item.kind]}{reason}"
                    self._mirror.set_note(number, words)
                    self._acts_until[number] = now + ACT_SECONDS

    def _went_on(self, number: int) -> None:
        """The note of a range says how far it is; that of others is what they said last."""
        job = self._mirror.jobs.get(number)
        if job is not None and not job.attempts:
            self._fetched_at.pop(number, None)

    def _forget(self, numbers: Iterable[int]) -> None:
        """What was found out about them held in the state before."""
        for number in numbers:
            if number not in self._acts_until and self._mirror.notes.get(number):
                self._mirror.set_note(number, "")
            self._fetched_at.pop(number, None)

    def spoke(self, numbers: Iterable[int]) -> None:
        """These jobs said something: their last line is another one."""
        for number in numbers:
            self._fetched_at.pop(number, None)

    def wanted(self, in_view: Sequence[int], now: float) -> list[JobView]:
        """The jobs whose notes are to be fetched now; who speaks much leaves others their turn.

        None while some are fetched: on a slow line that takes longer than until the next look.
        """
        if self._is_fetching:
            return []
        self._forget_unlisted()
        for number in [n for n, until in self._acts_until.items() if now >= until]:
            del self._acts_until[number]
            self._mirror.set_note(number, "")
        jobs = (self._mirror.jobs.get(number) for number in in_view)
        due = [job for job in jobs if job is not None and self._is_due(job, now)]
        due.sort(key=lambda job: self._turn_at.get(job.number, 0.0))
        return due[:MOST_AT_ONCE]

    def _forget_unlisted(self) -> None:
        """Of jobs that were listed once nothing is kept for long."""
        jobs = self._mirror.jobs
        if len(self._turn_at) > 2 * len(jobs) + MOST_UNLISTED:
            for known in (self._fetched_at, self._turn_at):
                for number in known.keys() - jobs.keys():
                    del known[number]
            self._failed &= jobs.keys()

    def _is_due(self, job: JobView, now: float) -> bool:
        if job.number in self._acts_until:
            return False
        if job.state != "pending" and job.state not in ACTIVE_STATES:
            if self._mirror.notes.get(job.number):
                self._mirror.set_note(job.number, "")
            return False
        fetched_at = self._fetched_at.get(job.number)
        if fetched_at is None:
            return True
        has_news = self._heard_at >= fetched_at or job.number in self._failed
        return now >= fetched_at + (WAITING_SECONDS if has_news else QUIET_SECONDS)

    async def fetch(self, jobs: Sequence[JobView], now: float) -> None:
        """Fetch notes; one that cannot be had is tried again later."""
        self._is_fetching = True
        try:
            for job in jobs:
                await self._fetch_one(job, now)
        finally:
            self._is_fetching = False

    async def _fetch_one(self, job: JobView, now: float) -> None:
        self._fetched_at[job.number] = self._turn_at[job.number] = now
        self._failed.discard(job.number)
        try:
            self._mirror.set_note(job.number, await self._note(job))
        except ClientError:
            self._failed.add(job.number)

    async def _note(self, job: JobView) -> str:
        if job.state == "pending" or not job.attempts:
            return waiting_words(job.type, await self._client.explain(job.id))
        part = await self._client.output(job.id, offset=-LAST_LINE_BYTES, limit=LAST_LINE_BYTES)
        lines = part.data.decode("utf-8", "replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "")

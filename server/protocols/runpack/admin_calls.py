"""What administrators see and do: jobs, runners, numbers, deletion."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from server.errors import InvalidInput
from server.filters import parse_filter
from server.ids import UUID_PATTERN
from server.protocols.runpack import codec, views
from server.protocols.runpack.answers import JSON_HEADERS, Answer, answer, encode, rejected
from server.protocols.runpack.canonical import stringify
from server.protocols.runpack.client_calls import own_job, row_of
from server.protocols.runpack.consoles import console_text
from server.store.base import JobQuery
from server.traits import RUNPACK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from server.coordinator import Coordinator
    from server.filters import Filter
    from server.model import Actor, JobState, Runner
    from server.protocols.runpack.views import Status
    from server.store.base import JobRow, Reads

DEFAULT_LIMIT = 100
RUNNER_JOBS = 100
PAGE = 1_000
LOOKUPS_AT_ONCE = 500
NO_LIMIT = 2**63

_LEADING_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,18})")


class AdminCalls:
    """The read-only pages, and deletion, which is the only way to have a job run again."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    async def jobs(self, query: bytes) -> Answer:
        """Newest first. A negative limit gives all there are, page by page."""
        asked = parse_qs(query.decode("latin-1"))
        limit = _limit(asked.get("limit", [""])[0])
        status = asked.get("status", [""])[0]
        states = views.states_of(status) if status else None
        if not limit or states == []:
            return answer(200, jobs=[], total=0)
        pages = self._pages(_own_jobs(states), limit)
        first = await anext(pages)
        return Answer(200, b'{"jobs":[' + _lines(first), JSON_HEADERS, _rest(pages, len(first)))

    async def job(self, uuid: str) -> Answer:
        snapshot = await own_job(self._coordinator, uuid)
        row = await row_of(self._coordinator, snapshot.job.id)
        settings = self._coordinator.settings.protocols.runpack
        console = await console_text(self._reads, snapshot.job.attempt, settings)
        return answer(200, **views.job_page(snapshot, row, console))

    async def delete(self, actor: Actor, uuid: str) -> Answer:
        job_id = await self._own_job_id(uuid)
        if job_id is None or not await self._coordinator.delete(actor, [job_id]):
            raise rejected("Job not found", 404)
        return answer(200, success=True, message="Job deleted successfully")

    async def batch_delete(self, actor: Actor, body: bytes) -> Answer:
        """Delete what can be found; the others are named as failed."""
        ids = codec.job_ids(body)
        found = await self._own_job_ids(list(dict.fromkeys(filter(_is_id, ids))))
        deleted = set(await self._coordinator.delete(actor, list(found.values())))
        left = {uuid for uuid, job_id in found.items() if job_id in deleted}
        failed: list[msgspec.Raw] = []
        for one in ids:
            if isinstance(one, str) and one in left:
                left.discard(one)  # named twice, it can be deleted once
            else:
                failed.append(msgspec.Raw(stringify(one).encode("utf-8")))
        words = f"Deleted {len(deleted)} of {len(ids)} jobs"
        return answer(
            200, success=bool(deleted), deleted=len(deleted), failed=failed, message=words
        )

    def runners(self) -> Answer:
        """Last seen first."""
        now, active_ms = self._now, self._active_ms
        runners = sorted(self._own_runners(), key=lambda runner: -runner.last_seen_at)
        lines = [views.runner_line(runner, now, active_ms) for runner in runners]
        return answer(200, runners=lines, total=len(lines))

    async def runner(self, uuid: str) -> Answer:
        """A runner with what it claimed last."""
        runner = self._coordinator.runner_by_uuid(uuid)
        if runner is None or runner.protocol != RUNPACK.protocol or runner.is_forgotten:
            raise rejected("Runner not found", 404)
        fields = views.runner_line(runner, self._now, self._active_ms)
        fields["registered_at"] = runner.registered_at
        claims = parse_filter(f"origin:{RUNPACK.protocol} runner:{runner.uuid}")
        rows = await anext(self._pages(claims, RUNNER_JOBS))
        lines = [views.job_line(row) for row in rows]
        fields["jobs"] = [{k: v for k, v in line.items() if k != "claimed_by"} for line in lines]
        return answer(200, **fields)

    async def stats(self) -> Answer:
        """Jobs of this surface by status, and its runners."""
        counts = await self._counts()
        now, active_ms = self._now, self._active_ms
        runners = self._own_runners()
        active = sum(views.is_active(runner, now, active_ms) for runner in runners)
        jobs: dict[str, int] = {status: counts[status] for status in views.STATUSES}
        jobs["total"] = sum(counts.values())
        return answer(200, jobs=jobs, runners={"total": len(runners), "active": active})

    async def _counts(self) -> dict[Status, int]:
        counts = dict.fromkeys(views.STATUSES, 0)
        for state, number in (await self._reads.state_counts(RUNPACK.protocol)).items():
            counts[views.STATUS_OF[state]] += number
        return counts

    async def _pages(self, wanted: Filter, limit: int) -> AsyncIterator[list[JobRow]]:
        """Pages of jobs, newest first, up to ``limit`` (negative: all); at least one."""
        left = NO_LIMIT if limit < 0 else limit
        after = ""
        while True:
            page = await self._reads.job_page(
                JobQuery(filter=wanted, limit=min(left, PAGE), after=after)
            )
            yield page.rows
            left -= len(page.rows)
            after = page.next
            if not after or left <= 0:
                return

    async def _own_job_id(self, uuid: str) -> int | None:
        return (await self._own_job_ids([uuid])).get(uuid)

    async def _own_job_ids(self, uuids: Sequence[str]) -> dict[str, int]:
        """Row ids of those that are jobs of this surface."""
        found: dict[str, int] = {}
        for start in range(0, len(uuids), LOOKUPS_AT_ONCE):
            some = uuids[start : start + LOOKUPS_AT_ONCE]
            snapshots = await asyncio.gather(*map(self._coordinator.job_with_attempt, some))
            for uuid, snapshot in zip(some, snapshots, strict=True):
                if snapshot is not None and snapshot.details.origin == RUNPACK.protocol:
                    found[uuid] = snapshot.job.id
        return found

    def _own_runners(self) -> list[Runner]:
        runners = self._coordinator.runners()
        return [runner for runner in runners if runner.protocol == RUNPACK.protocol]

    @property
    def _reads(self) -> Reads:
        return self._coordinator.store.reads

    @property
    def _now(self) -> int:
        return self._coordinator.clock.now_ms()

    @property
    def _active_ms(self) -> int:
        return self._coordinator.settings.leases.runner_active_ms


def _own_jobs(states: Sequence[JobState] | None = None) -> Filter:
    """Jobs of this surface, all or those in one of some states."""
    wanted = f"origin:{RUNPACK.protocol}"
    if states is not None:
        wanted += f" state:{','.join(states)}"
    return parse_filter(wanted)


def _is_id(one: Any) -> bool:
    return isinstance(one, str) and UUID_PATTERN.fullmatch(one) is not None


def _limit(text: str) -> int:
    """As ``parseInt`` reads it; none given is the default."""
    if not text:
        return DEFAULT_LIMIT
    match = _LEADING_NUMBER.match(text)
    if match is None:
        raise InvalidInput(f"limit has to be a number, not {text[:40]!r}")
    return int(match[1])


def _lines(rows: Sequence[JobRow]) -> bytes:
    return encode([views.job_line(row) for row in rows])[1:-1]


async def _rest(pages: AsyncIterator[list[JobRow]], total: int) -> AsyncIterator[bytes]:
    """What follows the first page of jobs in the body of the answer."""
    async for rows in pages:
        if rows:
            total += len(rows)
            yield b"," + _lines(rows)
    yield b'],"total":%d}' % total

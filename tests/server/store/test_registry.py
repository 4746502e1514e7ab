"""Classes, queues, runners, sessions, keys and small records."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from server.model import Queue
from server.store.base import CachedJob, IdempotentAnswer, LateWrite, StoredKey
from tests.server.store.world import a_runner, a_session

if TYPE_CHECKING:
    from server.store.base import Tx
    from tests.server.store.world import World


async def test_a_class_is_one_however_its_requirements_are_ordered(world: World) -> None:
    def intern(tx: Tx) -> None:
        one = tx.intern_class("gpu", "fit", {"os": "linux", "arch": "arm"}, 0)
        same = tx.intern_class("gpu", "fit", {"arch": "arm", "os": "linux"}, 0)
        pinned = tx.intern_class("gpu", "fit", {"arch": "arm", "os": "linux"}, 3)
        assert one == same
        assert pinned.id != one.id
        assert tx.job_class(pinned.id) == pinned
        assert tx.job_class(one.id) == one
        assert list(tx.waiting_classes()) == []

    await world.run(intern)


async def test_queues_are_kept_as_they_were_put(world: World) -> None:
    paused = Queue("gpu", 3, 10, 5, "sam", "fan")

    def put(tx: Tx) -> None:
        assert tx.queue("gpu") is None
        tx.put_queue(Queue("gpu"))
        tx.put_queue(paused)
        assert tx.queue("gpu") == paused
        assert tx.queues() == [paused]

    await world.run(put)


async def test_runners_are_found_by_all_their_names(world: World) -> None:
    def insert(tx: Tx) -> None:
        made = tx.insert_runner(a_runner("lab-1", 5, labels={"os": "linux"}))
        assert tx.runner(made.id) == made
        assert tx.runner_by_uuid(made.uuid) == made
        assert tx.runner_by_identity("native-v2", "lab-1") == made
        renamed = replace(made, identity="lab-2", draining_since=7, is_forgotten=True)
        tx.update_runner(renamed)
        assert tx.runner_by_identity("native-v2", "lab-1") is None
        assert tx.runner_by_identity("native-v2", "lab-2") == renamed
        tx.update_runner(replace(renamed, last_seen_at=99))
        assert tx.runners() == [replace(renamed, last_seen_at=99)]
        assert tx.runner(99) is None
        assert tx.runner_by_uuid("none") is None

    await world.run(insert)


async def test_sessions_stay_findable_after_their_end(world: World) -> None:
    runner = await world.runner()

    def live(tx: Tx) -> None:
        first = tx.insert_session(a_session(runner.id, 1))
        assert tx.open_sessions() == [first]
        ended = replace(first, ended_at=5, end_reason="rebooted")
        tx.update_session(ended)
        assert tx.open_sessions() == []
        assert tx.session(first.id) == ended
        assert tx.session_by_uuid(first.uuid) == ended
        second = tx.insert_session(a_session(runner.id, 6))
        assert tx.session_by_nonce(runner.id, "boot-1") == second
        assert tx.session_by_nonce(runner.id, "boot-2") is None
        assert tx.session_by_uuid(second.uuid) == second
        assert tx.session(99) is None
        assert tx.session_by_uuid("none") is None

    await world.run(live)


async def test_cache_keys_are_put_replaced_and_released(world: World) -> None:
    def use(tx: Tx) -> None:
        assert tx.cached("k") is None
        tx.put_cached("k", 1, 5)
        tx.put_cached("k", 2, 0)
        assert tx.cached("k") == CachedJob("k", 2, 0)
        tx.release_cached("k")
        tx.release_cached("k")
        assert tx.cached("k") is None

    await world.run(use)


async def test_answers_to_repeated_requests_belong_to_their_owner(world: World) -> None:
    answer = IdempotentAnswer("print", (3, 1, 2))

    def use(tx: Tx) -> None:
        tx.put_idempotent("ci", "k", answer, world.now)
        assert tx.idempotent("ci", "k") == answer
        assert tx.idempotent("ana", "k") is None

    await world.run(use)


async def test_keys_are_kept_by_name(world: World) -> None:
    key = StoredKey("ci", "submit", "digest", 1, 0, 0)

    def put(tx: Tx) -> None:
        tx.put_key(key)
        tx.put_key(key._replace(revoked_at=5))
        assert tx.keys() == [key._replace(revoked_at=5)]

    await world.run(put)


async def test_late_writes_are_read_newest_first(world: World) -> None:
    def add(tx: Tx) -> None:
        for at in (1, 2, 3):
            tx.add_late_write(LateWrite(0, at, 7, 8, 9, "output", "x"))

    await world.run(add)
    newest = await world.store.reads.late_writes(before=None, limit=2)
    assert [late.at for late in newest] == [3, 2]
    older = await world.store.reads.late_writes(before=newest[-1].id, limit=2)
    assert older == [LateWrite(older[0].id, 1, 7, 8, 9, "output", "x")]


async def test_only_classes_with_pending_jobs_wait(world: World) -> None:
    first, second = await world.submit(2, type="fib")
    await world.submit(1, type="eval", state="scheduled", run_at=world.now + 5)

    def waiting(tx: Tx) -> list[str]:
        return sorted(one.type for one in tx.waiting_classes())

    assert await world.run(waiting) == ["fib"]
    await world.claim([first])
    assert await world.run(waiting) == ["fib"]
    await world.claim([second])
    assert await world.run(waiting) == []

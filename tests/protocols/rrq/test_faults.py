"""A runner that answers late, twice, wrongly or never, over a real socket."""

from __future__ import annotations

import struct
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from server.coordinator import Coordinator
from server.errors import Busy, DiskFull
from server.protocols.rrq import service as rrq_service
from server.wire.rrq_frames import MAX_FRAME_BYTES
from tests.protocols.rrq.double import a_double, dialling
from tests.protocols.rrq.world import SAM, a_world, dialled, eventually, settings_with

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from server.coordinator import Introduction, Said, Told
    from server.model import Session


async def test_every_field_is_sent_with_explicit_nulls(tmp_path: Path) -> None:
    """A1.2: version, ids, bare handler, the queue's whole key, a deadline."""
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#greet", params={"to": "ann"}, queue="mail", timeout_ms=60_000)
        sent = await runner.request()
        runner.answer(sent, result={"ok": True})
        assert await world.result(job) == {"ok": True}
        attempt = (await world.look(job)).attempt
    assert attempt is not None
    payload = sent.payload
    assert payload["protocol_version"] == "2"
    assert payload["request_id"] == attempt.uuid
    assert payload["job_id"] == job.uuid
    assert payload["function_name"] == "greet"
    assert payload["params"] == {"to": "ann"}
    context = payload["context"]
    assert context["queue_name"] == "rrq:queue:mail"
    assert context["attempt"] == 1
    assert context["trace_context"] is None
    assert context["correlation_context"] is None
    assert context["worker_id"].startswith("traffic-tui-")
    left = msgspec.convert(context["deadline"], type=datetime)
    assert 58 < left.timestamp() - job.created_at / 1000 < 62


async def test_an_idle_runner_is_given_a_job_by_the_commit_that_brings_it(tmp_path: Path) -> None:
    commits: list[list[str]] = []
    async with dialling(tmp_path) as (runner, world):
        first = await world.one("py#x")
        runner.answer(await runner.request())
        await world.ended(first)
        world.coordinator.store.on_commit(
            lambda committed: commits.append([event.kind for event in committed.events])
        )
        second = await world.one("py#x")
        runner.answer(await runner.request())
        await world.ended(second)
    assert commits[0] == ["submitted", "claimed"]


async def test_traces_and_correlation_go_through_untouched(tmp_path: Path) -> None:
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    async with dialling(tmp_path) as (runner, world):
        await world.one("py#x", trace_context=trace, correlation={"order": "7"})
        sent = await runner.request()
    assert sent.payload["context"]["trace_context"] == trace
    assert sent.payload["context"]["correlation_context"] == {"order": "7"}


async def test_protocol_1_has_args_and_kwargs(tmp_path: Path) -> None:
    async with dialling(tmp_path, protocol="1") as (runner, world):
        cases: tuple[tuple[Any, list[Any], dict[str, Any]], ...] = (
            ({"a": 1}, [], {"a": 1}),
            ([1, 2], [1, 2], {}),
            ({"args": [1], "kwargs": {"b": 2}}, [1], {"b": 2}),
            ({"args": 1}, [], {"args": 1}),
        )
        for params, args, kwargs in cases:
            await world.one("py#f", params=params)
            sent = await runner.request()
            runner.answer(sent)
            assert sent.payload["protocol_version"] == "1"
            assert (sent.payload["args"], sent.payload["kwargs"]) == (args, kwargs)
            assert "params" not in sent.payload


async def test_answers_are_matched_in_any_order(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        jobs = await world.submit(*["py#x"] * 5)
        sent = await runner.requests_for(5)
        for one in reversed(sent):
            runner.answer(one, result=one.payload["job_id"])
        for job in jobs:
            assert await world.result(job) == job.uuid
        assert len(runner.connections) == 1


async def test_no_more_than_max_in_flight(tmp_path: Path) -> None:
    async with dialling(tmp_path, max_in_flight=2) as (runner, world):
        jobs = await world.submit(*["py#x"] * 3)
        first, second = await runner.requests_for(2)
        await world.running(jobs[1])
        assert runner.requests.empty()
        runner.answer(first)
        third = await runner.request()
        runner.answer(second)
        runner.answer(third)
        for job in jobs:
            await world.result(job)


async def test_an_oversized_answer_fails_its_own_job_and_no_other(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        big, small = await world.submit("py#big", "py#small", max_attempts=5)
        sent = {one.payload["job_id"]: one for one in await runner.requests_for(2)}
        runner.answer(sent[big.uuid], result="x" * (MAX_FRAME_BYTES + 1))
        outcome = await world.outcome(big)
        assert (outcome.kind, outcome.type) == ("error", "result_too_large")
        runner.answer(sent[small.uuid], result="fine")
        assert await world.result(small) == "fine"
        assert len(runner.connections) == 1


async def test_an_oversized_request_is_not_sent(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        big = await world.one("py#big", params={"x": "x" * MAX_FRAME_BYTES})
        assert (await world.outcome(big)).type == "request_too_large"
        small = await world.one("py#small")
        runner.answer(await runner.request())
        await world.result(small)


async def test_an_answer_to_another_job_counts_against_the_request(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        wrong, right = await world.submit("py#x", "py#y")
        sent = {one.payload["job_id"]: one for one in await runner.requests_for(2)}
        runner.answer(sent[wrong.uuid], job_id="somebody-else")
        outcome = await world.outcome(wrong)
        assert "job_id mismatch" in outcome.message
        runner.answer(sent[right.uuid])
        await world.result(right)


async def test_an_answer_without_a_request_id_fails_the_only_request(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        sent = await runner.request()
        runner.answer(sent, request_id=..., job_id=...)
        assert "without a request_id" in (await world.outcome(job)).message


async def test_an_answer_that_could_be_anybodys_costs_the_connection_and_charges_nobody(
    tmp_path: Path,
) -> None:
    async with dialling(tmp_path) as (runner, world):
        jobs = await world.submit("py#x", "py#y")
        sent = await runner.requests_for(2)
        runner.answer(sent[0], request_id=None, job_id=None)
        for again in [await runner.request()]:
            runner.answer(again)
        runner.answer(await runner.request())
        for job in jobs:
            found = await world.ended(job)
            assert (found.job.state, found.job.tries, found.job.losses) == ("completed", 1, 0)


async def test_an_answer_to_nothing_is_ignored_and_told(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        await world.connected("py/0")
        await eventually(lambda: bool(runner.connections), "it is connected")
        runner.say({"type": "response", "payload": {"status": "success"}}, runner.connections[0])
        runner.say({"type": "cancel", "payload": {}}, runner.connections[0])
        await eventually(
            lambda: world.coordinator.ignored_messages.get("rrq") == 2, "both are counted"
        )
        job = await world.one("py#x")
        runner.answer(await runner.request())
        await world.result(job)


async def test_a_second_answer_is_a_late_write(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        sent = await runner.request()
        runner.answer(sent, result=1)
        assert await world.result(job) == 1
        runner.answer(sent, "error", error={"message": "no, wait"})
        await world.has_late("error")
        assert await world.result(job) == 1


async def test_broken_json_fails_the_request_it_names(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        broken, sound = await world.submit("py#x", "py#y")
        sent = {one.payload["job_id"]: one for one in await runner.requests_for(2)}
        one = sent[broken.uuid]
        runner.say(
            b'{"type":"response","payload":{"request_id":"%s","status":"success","result":NaN}}'
            % one.id.encode(),
            one.over,
        )
        assert (await world.outcome(broken)).type == "invalid_answer"
        runner.answer(sent[sound.uuid])
        await world.result(sound)


async def test_bad_utf_8_and_deep_nesting_are_no_result(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        for result in (b'"\xff"', b"[" * 300 + b"]" * 300, b"[" * 200_000 + b"]" * 200_000):
            job = await world.one("py#x")
            sent = await runner.request()
            runner.say(
                b'{"type":"response","payload":{"job_id":"%s","request_id":"%s",'
                b'"status":"success","result":%s}}' % (job.uuid.encode(), sent.id.encode(), result),
                sent.over,
            )
            assert (await world.outcome(job)).type == "invalid_answer"


async def test_a_frame_of_no_length_ends_the_connection(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        sent = await runner.request()
        sent.over.write(struct.pack(">I", 0))
        again = await runner.request()
        assert again.id != sent.id
        runner.answer(again)
        await world.result(job)
        assert any("does not speak this protocol" in line for line in world.log("py/0"))


async def test_another_protocol_is_told_at_once(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        await eventually(lambda: bool(runner.connections), "it is connected")
        runner.connections[0].write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await eventually(
            lambda: any("does not speak" in line for line in world.log("py/0")), "it is told"
        )


async def test_a_runner_that_never_answers_is_timed_out(tmp_path: Path) -> None:
    async with dialling(tmp_path, job_timeout_ms=200) as (runner, world):
        job = await world.one("py#x", max_attempts=5)
        sent = await runner.request()
        cancel = await runner.cancel()
        assert cancel == {
            "protocol_version": "2",
            "job_id": job.uuid,
            "request_id": sent.id,
            "hard_kill": False,
        }
        found = await world.ended(job)
        assert found.outcome is not None
        assert (found.job.state, found.outcome.kind, found.job.tries) == ("failed", "timeout", 1)


async def test_others_go_on_beside_one_that_never_answers(tmp_path: Path) -> None:
    """The attempt is given up, the connection kept, and its late answer is put in the ledger."""
    async with dialling(tmp_path) as (runner, world):
        silent = await world.one("py#x", timeout_ms=200)
        other = await world.one("py#y")
        sent = {one.payload["job_id"]: one for one in await runner.requests_for(2)}
        found = await world.ended(silent)
        assert (found.job.state, found.job.tries) == ("failed", 1)
        assert found.attempt is not None
        assert found.attempt.state == "abandoned"
        runner.answer(sent[silent.uuid])
        await world.has_late("success")
        runner.answer(sent[other.uuid])
        await world.result(other)
        assert (await world.look(silent)).job.state == "failed"
        assert len(runner.connections) == 1


async def test_a_cancel_that_crosses_a_success_is_a_success(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        sent = await runner.request()
        await world.running(job)
        await world.coordinator.stop_job(SAM, job.id)
        await runner.cancel()
        runner.answer(sent, result="done already")
        assert await world.result(job) == "done already"


async def test_a_stop_is_told_and_its_answer_taken(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        sent = await runner.request()
        await world.running(job)
        await world.coordinator.stop_job(SAM, job.id)
        cancel = await runner.cancel()
        assert (cancel["job_id"], cancel["request_id"]) == (job.uuid, sent.id)
        runner.answer(sent, "error", error={"message": "Job cancelled", "type": "cancelled"})
        found = await world.ended(job)
        assert found.job.state == "stopped"
        assert runner.cancels.empty()


async def test_an_error_of_type_cancelled_that_nobody_asked_for_is_an_error(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        sent = await runner.request()
        runner.answer(sent, "error", error={"message": "Job cancelled", "type": "cancelled"})
        found = await world.ended(job)
        assert found.outcome is not None
        assert (found.job.state, found.outcome.kind) == ("failed", "error")


async def test_a_stop_by_force_ends_the_connection_when_nothing_else_is_on_it(
    tmp_path: Path,
) -> None:
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        await runner.request()
        await world.running(job)
        await world.coordinator.stop_job(SAM, job.id, kill=True)
        await runner.cancel()
        assert (await world.ended(job)).job.state == "stopped"
        await eventually(lambda: not runner.connections, "the connection is ended")
        await eventually(lambda: bool(runner.connections), "and another one is made")


async def test_a_lost_connection_charges_the_only_job_with_a_loss(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        await world.running(job)
        (await runner.request()).over.close()
        runner.answer(await runner.request())
        found = await world.ended(job)
        assert (found.job.state, found.job.tries, found.job.losses) == ("completed", 1, 1)
        assert found.job.attempts == 2


async def test_what_was_lost_together_comes_back_one_by_one(tmp_path: Path) -> None:
    """Nobody is charged, and the next crash tells who it was."""
    async with dialling(tmp_path, max_in_flight=4) as (runner, world):
        jobs = await world.submit(*["py#x"] * 4)
        sent = await runner.requests_for(4)
        sent[0].over.close()
        for _ in jobs:
            alone = await runner.request()
            assert runner.requests.empty()
            runner.answer(alone)
        for job in jobs:
            found = await world.ended(job)
            assert (found.job.state, found.job.tries, found.job.losses) == ("completed", 1, 0)
        await world.submit(*["py#x"] * 4)
        assert len(await runner.requests_for(4)) == 4  # cleared: in company again


async def test_a_runner_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    async with a_double() as runner:
        address = runner.address
        await runner.close()
        async with a_world(tmp_path, settings_with(py=dialled(address))) as world:
            job = await world.one("py#x")
            await eventually(
                lambda: (
                    world.runner("py/0") is not None
                    and any("cannot be reached" in line for line in world.log("py/0"))
                ),
                "it is told",
            )
            assert not world.is_connected("py/0")
            await runner.listen()
            runner.answer(await runner.request())
            await world.result(job)


async def test_refused_as_busy_is_not_tried(tmp_path: Path) -> None:
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        runner.answer(
            await runner.request(),
            "error",
            error={"message": "Runner busy: too many in-flight requests"},
        )
        runner.answer(await runner.request())
        found = await world.ended(job)
        assert (found.job.state, found.job.tries) == ("completed", 1)


async def test_handlers_are_named_and_need_a_name(tmp_path: Path) -> None:
    async with dialling(tmp_path, types=("*",)) as (runner, world):
        for kind, handler in (("py#h", "h"), ("#h", "h"), ("plain", "plain"), ("a#b#c", "b#c")):
            await world.one(kind)
            sent = await runner.request()
            runner.answer(sent)
            assert sent.payload["function_name"] == handler
        nameless = await world.one("py#")
        assert (await world.outcome(nameless)).type == "handler_missing"


async def test_after_a_restart_what_ran_is_queued_again_uncharged(tmp_path: Path) -> None:
    async with a_double() as runner:
        settings = settings_with(py=dialled(runner.address))
        async with a_world(tmp_path, settings) as world:
            job = await world.one("py#x")
            sent = await runner.request()
            await world.running(job)
        async with a_world(tmp_path, settings) as world:
            again = await runner.request()
            assert again.id != sent.id
            runner.answer(again)
            found = await world.ended(job)
            assert (found.job.state, found.job.tries, found.job.losses) == ("completed", 1, 0)


async def test_a_full_disk_at_the_start_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    close, refused = Coordinator.close_session, [True, True]

    async def is_full_twice(self: Coordinator, session_id: int, **why: Any) -> None:
        if refused:
            refused.pop()
            raise DiskFull("The disk is full: nothing was stored.")
        await close(self, session_id, **why)

    monkeypatch.setattr(rrq_service, "SETTLE_SECONDS", 0.01)
    async with a_double() as runner:
        settings = settings_with(py=dialled(runner.address))
        async with a_world(tmp_path, settings) as world:
            job = await world.one("py#x")
            await runner.request()
            await world.running(job)
            monkeypatch.setattr(Coordinator, "close_session", _unsaid)
        monkeypatch.setattr(Coordinator, "close_session", is_full_twice)
        async with a_world(tmp_path, settings) as world:
            runner.answer(await runner.request())
            await world.ended(job)
            assert not refused
    assert caplog.text.count("no runner is started yet: The disk is full") == 1


async def _unsaid(self: Coordinator, session_id: int, **why: Any) -> None:
    """As after kill -9: the session stays open."""


async def test_a_connection_found_dead_before_the_request_is_written_charges_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends between the commit that hands the job out and the moment it would be sent."""
    async with dialling(tmp_path) as (runner, world):
        await world.connected("py/0")
        await runner.close()
        exchange = world.coordinator.exchange
        cut: list[str] = []

        async def cut_off(session_id: int, said: Said) -> Told:
            told = await exchange(session_id, said)
            if told.assign and not cut:
                cut.append(told.assign[0].attempt.uuid)
                runner.connections[0].close()
                await eventually(
                    lambda: not any(one.takes_jobs for one in world.couriers("py")), "it is lost"
                )
            return told

        monkeypatch.setattr(world.coordinator, "exchange", cut_off)
        job = await world.one("py#x")
        await runner.listen()
        sent = await runner.request()
        assert sent.id not in cut
        runner.answer(sent)
        found = await world.ended(job)
        assert (found.job.tries, found.job.losses, found.job.attempts) == (1, 0, 2)


async def test_a_connection_is_used_again_and_made_anew_when_it_was_closed(
    tmp_path: Path,
) -> None:
    async with dialling(tmp_path) as (runner, world):
        seen = []
        for _ in range(3):
            job = await world.one("py#x")
            sent = await runner.request()
            runner.answer(sent)
            await world.result(job)
            seen.append(sent.over)
        assert seen[0] is seen[1] is seen[2]
        seen[0].close()
        job = await world.one("py#x")
        sent = await runner.request()
        assert sent.over is not seen[0]
        runner.answer(sent)
        found = await world.ended(job)
        assert (found.job.tries, found.job.losses) == (1, 0)


async def test_what_is_given_up_keeps_its_slot_until_it_is_heard_of(tmp_path: Path) -> None:
    async with dialling(tmp_path, max_in_flight=3) as (runner, world):
        silent, other = await world.submit("py#x", "py#x", timeout_ms=300)
        sent = {one.payload["job_id"]: one for one in await runner.requests_for(2)}
        long = await world.one("py#long", timeout_ms=60_000)
        runner.answer(sent[other.uuid])
        kept = await runner.request()
        assert (await world.ended(silent)).job.state == "failed"
        known = world.runner("py/0")
        assert known is not None
        assert world.coordinator.busy(known.id) == 2
        runner.answer(sent[silent.uuid])
        await eventually(lambda: world.coordinator.busy(known.id) == 1, "its slot is free")
        runner.answer(kept)
        await world.result(long)


async def test_what_the_store_does_not_take_is_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dialling(tmp_path) as (runner, world):
        job = await world.one("py#x")
        sent = await runner.request()
        await world.running(job)
        exchange = world.coordinator.exchange
        refused: list[int] = []

        async def busy(session_id: int, said: Said) -> Told:
            if len(refused) < 2 and said.reports:
                refused.append(len(said.reports))
                raise Busy("too much at once")
            return await exchange(session_id, said)

        monkeypatch.setattr(world.coordinator, "exchange", busy)
        runner.answer(sent, result="kept")
        assert await world.result(job) == "kept"
        assert refused == [1, 1]


async def test_many_large_answers_are_taken_one_after_the_other(tmp_path: Path) -> None:
    large = "x" * (15 * 1024 * 1024)
    async with dialling(tmp_path) as (runner, world):
        jobs = await world.submit(*["py#x"] * 5)
        for sent in await runner.requests_for(5):
            runner.answer(sent, result=large)
        for job in jobs:
            assert await world.result(job) == large


async def test_a_session_that_cannot_be_opened_leaves_no_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_double() as runner:
        address = runner.address
        await runner.close()
        async with a_world(tmp_path, settings_with(py=dialled(address))) as world:
            open_session = world.coordinator.open_session
            refused: list[str] = []

            async def busy(who: Introduction, *, nonce: str, secret: str = "") -> Session:
                if len(refused) < 2:
                    refused.append(nonce)
                    raise Busy("too much at once")
                return await open_session(who, nonce=nonce, secret=secret)

            monkeypatch.setattr(world.coordinator, "open_session", busy)
            await runner.listen()
            await eventually(lambda: world.is_connected("py/0"), "it is connected in the end")
            assert len(refused) == 2
            await eventually(
                lambda: len(runner.connections) == 1, "connections that came to nothing are closed"
            )

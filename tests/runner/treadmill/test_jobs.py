"""A job's life as a switchboard hears it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.treadmill.serving import handlers, supervisor
from tests.runner.treadmill.switchboard import IMAGE, TOKEN
from traffic_tui.runner import ExecutionOutcome, ExecutionRequest, JobError, Registry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runner.treadmill.switchboard import Switchboard

LIFE = ["starting", "booting", "ready", "terminated"]


async def test_a_job_from_start_to_end(switchboard: Switchboard, tmp_path: Path) -> None:
    given: list[Any] = []

    async def image(request: ExecutionRequest) -> str:
        given.append(request.params)
        request.print("hello")
        return "42 passed"

    async with supervisor(switchboard.url, tmp_path, handlers(image=image)):
        await switchboard.connected()
        job_id = await switchboard.start(
            ssh_keys=["ssh-ed25519 AAAA me@host"],
            parameters={"speed": {"value": "fast", "secret": False}},
        )
        await switchboard.ended(job_id)
    assert switchboard.states(job_id) == LIFE
    assert switchboard.declared(job_id) == [("success", "42 passed")]
    assert switchboard.console(job_id) == b"hello\n"
    assert given == [
        {
            "image_id": IMAGE,
            "parameters": {"speed": {"value": "fast", "secret": False}},
            "ssh_keys": ["ssh-ed25519 AAAA me@host"],
        }
    ]
    kinds = [event["type"] for event in switchboard.events(job_id)]
    assert kinds[-2:] == ["declare_exit_status", "state_transition"]


async def test_messages_are_those_of_the_original(switchboard: Switchboard, tmp_path: Path) -> None:
    async def image(request: ExecutionRequest) -> None:
        request.print("hi")

    async with supervisor(switchboard.url, tmp_path, handlers(image=image)):
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.ended(job_id)
        request_id = await switchboard.question()
        assert await switchboard.answer(request_id) == {"type": "idle"}

    def event(inner: dict[str, Any]) -> dict[str, Any]:
        body = {"type": "job_event", "job_id": job_id, "event": inner}
        return {"type": "supervisor_event", "message": body}

    def state(new_state: dict[str, str]) -> dict[str, Any]:
        told = {"type": "state_transition", "new_state": new_state, "status_message": None}
        return event(told)

    assert switchboard.said == [
        state({"state": "initializing", "stage": "starting"}),
        state({"state": "initializing", "stage": "booting"}),
        state({"state": "ready"}),
        event({"type": "console_log", "console_bytes": [104, 105, 10], "console_offset": 0}),
        event({"type": "declare_exit_status", "user_exit_status": "success", "host_output": None}),
        state({"state": "terminated"}),
        {
            "type": "status_response",
            "message": {"response_to_request_id": request_id, "message": {"type": "idle"}},
        },
    ]


def ended(kind: str, **facts: Any) -> ExecutionOutcome:
    if kind == "retry_after":
        return ExecutionOutcome.retry_after("", "", "the bench is taken", 5.0)
    if kind == "failure":
        return ExecutionOutcome.failure("", "", "3 failed", **facts)
    return getattr(ExecutionOutcome, kind)("", "")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("outcome", "status", "host_output"),
    [
        (None, "success", None),
        ("", "success", ""),
        ("line\n\u00e9 \u2603", "success", "line\n\u00e9 \u2603"),
        ({"passed": 42}, "success", '{"passed":42}'),
        ([1, None], "success", "[1,null]"),
        (7, "success", "7"),
        (ended("failure", exit_code=3), "error", "3 failed"),
        (ended("failure", signal=9), "unknown", "3 failed"),
        (ended("timeout"), "error", "the time allowed for the job is over"),
        (ended("cancelled"), "unknown", "the job was cancelled"),
        (ended("retry_after"), "error", "the bench is taken"),
        (object(), "error", "the result is no JSON: Object of type object is not JSON"),
        ("x" * 2_000_000, "error", "the result has 2000002 bytes of JSON"),
    ],
)
async def test_how_a_handler_ends_is_declared(
    outcome: Any,
    status: str,
    host_output: str | None,
    switchboard: Switchboard,
    tmp_path: Path,
) -> None:
    async def image(request: ExecutionRequest) -> Any:
        return outcome

    async with supervisor(switchboard.url, tmp_path, handlers(image=image)):
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.ended(job_id)
    ((said, words),) = switchboard.declared(job_id)
    assert said == status
    assert words == host_output or (words and host_output and words.startswith(host_output))


async def test_what_a_handler_raises_is_an_error(switchboard: Switchboard, tmp_path: Path) -> None:
    async def image(request: ExecutionRequest) -> None:
        raise RuntimeError("no board on the bench")

    async with supervisor(switchboard.url, tmp_path, handlers(image=image)):
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.ended(job_id)
    assert switchboard.declared(job_id) == [("error", "no board on the bench")]
    assert switchboard.errors() == []


# errors ----------------------------------------------------------------------------------------


async def test_errors_about_running_jobs(switchboard: Switchboard, tmp_path: Path) -> None:
    """None of them changes what the supervisor says it is at: the original's does."""
    proceed = asyncio.Event()

    async def image(request: ExecutionRequest) -> None:
        try:
            await proceed.wait()
        except asyncio.CancelledError:
            await proceed.wait()
            raise

    stranger = "00000000-0000-4000-8000-000000000000"
    async with supervisor(switchboard.url, tmp_path, handlers(image=image)):
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: "ready" in switchboard.states(job_id))
        ready = {"type": "ongoing_job", "job_id": job_id, "job_state": {"state": "ready"}}

        await switchboard.start(job_id)
        await switchboard.hears(lambda: switchboard.kinds(job_id) == ["AlreadyRunning"])
        assert await switchboard.ask() == ready

        other = await switchboard.start()
        await switchboard.hears(lambda: switchboard.kinds(other) == ["MaxConcurrentJobs"])
        await switchboard.stop(stranger)
        await switchboard.hears(lambda: switchboard.kinds(stranger) == ["JobNotFound"])
        assert await switchboard.ask() == ready

        await switchboard.stop(job_id)
        await switchboard.hears(lambda: "terminating" in switchboard.states(job_id))
        await switchboard.stop(job_id)
        await switchboard.hears(
            lambda: switchboard.kinds(job_id) == ["AlreadyRunning", "AlreadyStopping"]
        )
        assert (await switchboard.ask())["job_state"] == {"state": "terminating"}

        proceed.set()
        await switchboard.ended(job_id)
        assert await switchboard.ask() == {"type": "idle"}
        await switchboard.start(job_id)
        await switchboard.hears(lambda: switchboard.kinds(job_id)[2:] == ["JobAlreadyExists"])
        assert await switchboard.ask() == {"type": "idle"}
    assert switchboard.states(job_id) == [
        "starting",
        "booting",
        "ready",
        "terminating",
        "terminated",
    ]
    assert switchboard.states(other) == []
    assert switchboard.declared() == []


async def image_of_theirs(request: ExecutionRequest) -> None:
    raise AssertionError("it is not started")


def refusing(error: Exception) -> Registry:
    def check(params: Any) -> None:
        raise error

    registry = Registry()
    registry.register("image", image_of_theirs, check=check)
    return registry


@pytest.mark.parametrize(
    ("registry", "kind", "words"),
    [
        (Registry(), "ImageNotFound", "does not name the image abab"),
        (refusing(ValueError("layer 2 is missing")), "ImageInvalid", "layer 2 is missing"),
        (
            refusing(JobError("not_compatible", "this image wants an nRF52")),
            "ImageNotCompatible",
            "this image wants an nRF52",
        ),
        (refusing(RuntimeError("boom")), "InternalError", "RuntimeError"),
    ],
)
async def test_errors_about_images(
    registry: Registry, kind: str, words: str, switchboard: Switchboard, tmp_path: Path
) -> None:
    async with supervisor(switchboard.url, tmp_path, registry) as serving_it:
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: switchboard.errors(job_id))
        ((said, description),) = switchboard.errors(job_id)
        assert (said, words in description) == (kind, True)
        assert await switchboard.ask() == {"type": "idle"}
        assert switchboard.states(job_id) == []
        await switchboard.hears(lambda: serving_it.connector.is_told)


@pytest.mark.parametrize("image_id", ["", "ab", "z" * 64, "ab" * 33, "../" * 30])
async def test_what_is_no_images_id(
    image_id: str, switchboard: Switchboard, tmp_path: Path
) -> None:
    async with supervisor(switchboard.url, tmp_path, handlers(image=image_of_theirs)):
        await switchboard.connected()
        spec = {"type": "image", "image_id": image_id}
        job_id = await switchboard.start(image_spec=spec)
        await switchboard.hears(lambda: switchboard.kinds(job_id) == ["ImageNotFound"])


# resuming --------------------------------------------------------------------------------------


async def test_nothing_can_be_resumed_without_a_handler_for_that(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    async def image(request: ExecutionRequest) -> None:
        await asyncio.Event().wait()

    async with supervisor(switchboard.url, tmp_path, handlers(image=image), slots=2):
        await switchboard.connected()
        running = await switchboard.start()
        for old in (running, "00000000-0000-4000-8000-000000000000", "no id at all"):
            job_id = await switchboard.start(image_spec={"type": "resume_job", "job_id": old})
            await switchboard.says(job_id, "CannotResume")


async def test_a_handler_can_resume(switchboard: Switchboard, tmp_path: Path) -> None:
    kept: dict[str, int] = {}

    async def image(request: ExecutionRequest) -> int:
        kept[request.job_id] = 1
        return 1

    async def resume(request: ExecutionRequest) -> int:
        return kept[request.params["resume_job"]] + 1

    async with supervisor(switchboard.url, tmp_path, handlers(image=image, resume=resume)):
        await switchboard.connected()
        first = await switchboard.start()
        await switchboard.ended(first)
        spec = {"type": "resume_job", "job_id": first.upper()}
        second = await switchboard.start(image_spec=spec)
        await switchboard.ended(second)
    assert switchboard.declared(second) == [("success", "2")]


# being stopped ---------------------------------------------------------------------------------


async def test_a_stopped_job_declares_nothing(switchboard: Switchboard, tmp_path: Path) -> None:
    """Its switchboard knows why it ended; what was declared would stand for its exit status."""

    async def image(request: ExecutionRequest) -> None:
        await asyncio.Event().wait()

    async with supervisor(switchboard.url, tmp_path, handlers(image=image)):
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.stop(job_id)
        await switchboard.ended(job_id)
    assert switchboard.states(job_id) == [
        "starting",
        "booting",
        "ready",
        "terminating",
        "terminated",
    ]
    assert switchboard.declared(job_id) == []


async def test_a_job_that_succeeds_while_it_is_stopped_says_so(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    async def image(request: ExecutionRequest) -> str:
        request.print("here")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done anyway"
        return ""

    async with supervisor(switchboard.url, tmp_path, handlers(image=image)):
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: switchboard.console(job_id))
        await switchboard.stop(job_id)
        await switchboard.ended(job_id)
    assert switchboard.declared(job_id) == [("success", "done anyway")]


async def test_a_handler_that_ignores_being_stopped_keeps_its_slot(
    switchboard: Switchboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traffic_tui.runner.connectors.treadmill.STOP_GRACE_SECONDS", 0.05)
    monkeypatch.setattr("traffic_tui.runner.execution.LAST_WAIT_SECONDS", 0.05)
    proceed = asyncio.Event()

    async def image(request: ExecutionRequest) -> None:
        while not proceed.is_set():
            request.print("here")
            with contextlib.suppress(asyncio.CancelledError):
                await proceed.wait()

    async with (
        contextlib.AsyncExitStack() as stack,
        supervisor(switchboard.url, tmp_path, handlers(image=image)) as serving_it,
    ):
        stack.callback(proceed.set)
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: switchboard.console(job_id))
        await switchboard.stop(job_id)
        await switchboard.ended(job_id)
        assert await switchboard.ask() == {"type": "idle"}
        other = await switchboard.start()
        await switchboard.hears(lambda: switchboard.kinds(other) == ["MaxConcurrentJobs"])
        proceed.set()
        await switchboard.hears(lambda: not serving_it.supervisor.running)
        third = await switchboard.start()
        await switchboard.ended(third)


# several ---------------------------------------------------------------------------------------


async def test_several_jobs_at_once_where_there_are_slots(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    proceed = asyncio.Event()

    async def image(request: ExecutionRequest) -> None:
        request.print(request.job_id)
        await proceed.wait()

    async with supervisor(switchboard.url, tmp_path, handlers(image=image), slots=3):
        await switchboard.connected()
        job_ids = [await switchboard.start() for _ in range(3)]
        for job_id in job_ids:
            await switchboard.prints(job_id, f"{job_id}\n".encode())
        assert (await switchboard.ask())["job_id"] == job_ids[-1]
        proceed.set()
        for job_id in job_ids:
            await switchboard.ended(job_id)
            assert switchboard.states(job_id) == LIFE


# console and progress ----------------------------------------------------------------------------


async def test_console_output_may_be_any_bytes(switchboard: Switchboard, tmp_path: Path) -> None:
    every = bytes(range(256))

    async def image(request: ExecutionRequest) -> None:
        await request.write(every, "stdout")
        await request.write(every[::-1], "stderr")

    async with supervisor(switchboard.url, tmp_path, handlers(image=image)):
        await switchboard.connected()
        await switchboard.ended(await switchboard.start())
    assert switchboard.console() == every + every[::-1]


async def test_a_flood_of_output_arrives_whole_and_in_bounded_pieces(
    switchboard: Switchboard, tmp_path: Path
) -> None:
    flood = b"0123456789abcdef" * 200_000

    async def image(request: ExecutionRequest) -> None:
        await request.write(flood)

    async with supervisor(switchboard.url, tmp_path, handlers(image=image)):
        await switchboard.connected()
        job_id = await switchboard.start()
        await switchboard.hears(lambda: switchboard.console(job_id))
        assert (await switchboard.ask())["job_id"] == job_id, "questions do not wait for output"
        await switchboard.ended(job_id)
    assert switchboard.console(job_id) == flood
    pieces = [e for e in switchboard.events(job_id) if e["type"] == "console_log"]
    assert max(len(piece["console_bytes"]) for piece in pieces) <= 16 * 1024


async def test_progress_is_told_as_a_status_message_at_a_slow_pace(
    switchboard: Switchboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traffic_tui.runner.connectors.treadmill_progress.LEAST_SECONDS", 0.2)
    proceed = asyncio.Event()

    async def image(request: ExecutionRequest) -> None:
        for count in range(1000):
            request.progress(count, 1000, "flashing")
        await proceed.wait()

    async with supervisor(switchboard.url, tmp_path, handlers(image=image)):
        await switchboard.connected()
        job_id = await switchboard.start()
        last = "999/1000 flashing"
        await switchboard.hears(lambda: last in switchboard.words())
        proceed.set()
        await switchboard.ended(job_id)
    assert switchboard.words() == ["0/1000 flashing", last]
    assert switchboard.states(job_id) == LIFE


# secrets ---------------------------------------------------------------------------------------


async def test_secrets_reach_the_handler_and_no_log(
    switchboard: Switchboard, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    async def image(request: ExecutionRequest) -> bool:
        assert "hunter2" not in repr(request)
        return bool(request.params["parameters"]["pw"]["value"] == "hunter2")

    parameters = {"pw": {"value": "hunter2", "secret": True}}
    async with supervisor(switchboard.url, tmp_path, handlers(image=image)):
        await switchboard.connected()
        job_id = await switchboard.start(parameters=parameters)
        await switchboard.ended(job_id)
        await switchboard.send("start_job", {"job_id": job_id, "parameters": parameters})
        refused = await switchboard.start(parameters=parameters, image_spec={"type": "hunter2"})
        await switchboard.hears(lambda: caplog.text.count("makes no sense") == 2)
    assert switchboard.declared(job_id) == [("success", "true")]
    assert switchboard.events(refused) == []
    ours = [record for record in caplog.records if record.name != "websockets.server"]
    told = "".join(record.getMessage() for record in ours)
    assert "serving ws://" in told
    assert "hunter2" not in told
    assert TOKEN[:20] not in told


@pytest.mark.parametrize(
    "frame",
    [
        b"\x00\x01",
        "",
        "{",
        "[]",
        '{"type":"pigeon","message":{}}',
        '{"type":"stop_job","message":{"job_id":"nobody"}}',
        '{"type":"status_response","message":{}}',
        '{"type":"status_request","message":{"request_id":"x","message":{}}}',
        "[" * 100_000,
        '{"type":"stop_job","message":{"job_id":"\\ud800"}}',
    ],
)
async def test_rubbish_is_ignored(
    frame: str | bytes, switchboard: Switchboard, tmp_path: Path
) -> None:
    async with supervisor(switchboard.url, tmp_path, Registry()):
        await switchboard.connected()
        await switchboard.connection.send(frame)
        assert await switchboard.ask() == {"type": "idle"}
    assert len(switchboard.connections) == 1
    assert len(switchboard.said) == 1

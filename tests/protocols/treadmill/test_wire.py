"""The messages: exactly as the original writes them, and read with room for what it may add."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.wire import treadmill as wire

JOB = "0b8f7a52-6c1e-4d7d-9d59-2f7d6c1f0a11"
REQUEST = "5a3a3f0e-95a8-4e0c-8d1c-6ef8f0e2b7c4"


def event(of: Any) -> str:
    body = {"type": "job_event", "job_id": JOB, "event": of}
    return json.dumps({"message": body, "type": "supervisor_event"})


SAMPLES: list[tuple[wire.ToSupervisor | wire.ToSwitchboard, str]] = [
    (
        wire.StartJobMessage(
            wire.StartJob(
                JOB,
                wire.ImageSpec("ab" * 32),
                ["ssh-ed25519 AAAA me@host"],
                wire.RestartPolicy(2),
                {"speed": wire.ParameterValue("fast", False)},
            )
        ),
        '{"type":"start_job","message":{"job_id":"0b8f7a52-6c1e-4d7d-9d59-2f7d6c1f0a11",'
        '"image_spec":{"type":"image","image_id":"' + "ab" * 32 + '"},'
        '"ssh_keys":["ssh-ed25519 AAAA me@host"],'
        '"restart_policy":{"remaining_restart_count":2},'
        '"parameters":{"speed":{"value":"fast","secret":false}}}}',
    ),
    (
        wire.StartJobMessage(wire.StartJob(JOB, wire.ResumeSpec(REQUEST))),
        '{"type":"start_job","message":{"job_id":"0b8f7a52-6c1e-4d7d-9d59-2f7d6c1f0a11",'
        '"image_spec":{"type":"resume_job","job_id":"5a3a3f0e-95a8-4e0c-8d1c-6ef8f0e2b7c4"},'
        '"ssh_keys":[],"restart_policy":{"remaining_restart_count":0},"parameters":{}}}',
    ),
    (
        wire.StopJobMessage(wire.StopJob(JOB)),
        '{"type":"stop_job","message":{"job_id":"0b8f7a52-6c1e-4d7d-9d59-2f7d6c1f0a11"}}',
    ),
    (
        wire.StatusRequest(wire.StatusQuestion(REQUEST)),
        '{"type":"status_request","message":'
        '{"request_id":"5a3a3f0e-95a8-4e0c-8d1c-6ef8f0e2b7c4","message":null}}',
    ),
    (
        wire.StatusResponse(wire.StatusAnswer(REQUEST, wire.Idle())),
        '{"type":"status_response","message":{"response_to_request_id":'
        '"5a3a3f0e-95a8-4e0c-8d1c-6ef8f0e2b7c4","message":{"type":"idle"}}}',
    ),
    (
        wire.StatusResponse(
            wire.StatusAnswer(REQUEST, wire.Ongoing(JOB, wire.JobState("initializing", "booting")))
        ),
        '{"type":"status_response","message":{"response_to_request_id":'
        '"5a3a3f0e-95a8-4e0c-8d1c-6ef8f0e2b7c4","message":{"type":"ongoing_job",'
        '"job_id":"0b8f7a52-6c1e-4d7d-9d59-2f7d6c1f0a11",'
        '"job_state":{"state":"initializing","stage":"booting"}}}}',
    ),
    (
        wire.SupervisorEvent(wire.JobEvent(JOB, wire.StateTransition(wire.JobState("ready")))),
        '{"type":"supervisor_event","message":{"type":"job_event",'
        '"job_id":"0b8f7a52-6c1e-4d7d-9d59-2f7d6c1f0a11","event":{"type":"state_transition",'
        '"new_state":{"state":"ready"},"status_message":null}}}',
    ),
    (
        wire.SupervisorEvent(wire.JobEvent(JOB, wire.DeclareExitStatus("success", "42 passed"))),
        '{"type":"supervisor_event","message":{"type":"job_event",'
        '"job_id":"0b8f7a52-6c1e-4d7d-9d59-2f7d6c1f0a11","event":{"type":"declare_exit_status",'
        '"user_exit_status":"success","host_output":"42 passed"}}}',
    ),
    (
        wire.SupervisorEvent(
            wire.JobEvent(JOB, wire.JobError(wire.ReportedError("AlreadyRunning", "free text")))
        ),
        '{"type":"supervisor_event","message":{"type":"job_event",'
        '"job_id":"0b8f7a52-6c1e-4d7d-9d59-2f7d6c1f0a11","event":{"type":"error",'
        '"error":{"error_kind":"AlreadyRunning","description":"free text"}}}}',
    ),
    (
        wire.SupervisorEvent(wire.JobEvent(JOB, wire.console_log(b"hi\n"))),
        '{"type":"supervisor_event","message":{"type":"job_event",'
        '"job_id":"0b8f7a52-6c1e-4d7d-9d59-2f7d6c1f0a11","event":{"type":"console_log",'
        '"console_bytes":[104,105,10]}}}',
    ),
    (
        wire.ProtocolError(wire.Violation("protocol_violation", "text")),
        '{"type":"protocol_error","message":{"code":"protocol_violation","detail":"text"}}',
    ),
]


@pytest.mark.parametrize(("message", "text"), SAMPLES)
def test_messages_are_written_as_the_original_writes_them(
    message: wire.ToSupervisor | wire.ToSwitchboard, text: str
) -> None:
    assert wire.encode(message) == text


@pytest.mark.parametrize(("message", "text"), SAMPLES)
def test_what_is_written_can_be_read(
    message: wire.ToSupervisor | wire.ToSwitchboard, text: str
) -> None:
    is_ours = isinstance(message, wire.StartJobMessage | wire.StopJobMessage | wire.StatusRequest)
    read = wire.read_by_supervisor(text) if is_ours else wire.read_by_switchboard(text)
    assert wire.encode(read) == text


@pytest.mark.parametrize(
    "form", [JOB.upper(), JOB.replace("-", ""), "{" + JOB + "}", f"urn:uuid:{JOB}"]
)
def test_ids_are_read_in_every_form(form: str) -> None:
    text = event({"type": "error", "error": {"error_kind": "x"}}).replace(JOB, form)
    read = wire.read_by_switchboard(text)
    assert isinstance(read, wire.SupervisorEvent)
    assert read.message.job_id == JOB


def test_unknown_members_and_kinds_are_read() -> None:
    read = wire.read_by_switchboard(
        event(
            {
                "new": 1,
                "error": {"error_kind": "Newer", "description": "d", "more": []},
                "type": "error",
            }
        )
    )
    assert isinstance(read, wire.SupervisorEvent)
    assert isinstance(read.message.event, wire.JobError)
    assert read.message.event.error.kind == "InternalError"


def test_a_stage_nobody_knew_is_read() -> None:
    state = {"state": "initializing", "stage": "warming_up"}
    read = wire.read_by_switchboard(event({"type": "state_transition", "new_state": state}))
    assert isinstance(read, wire.SupervisorEvent)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"type":"start_job"}',
        '{"type":"supervisor_event"}',
        '{"type":"supervisor_event","message":null}',
        '{"type":"nonsense","message":{}}',
        '{"type":"status_response","message":{"message":{"type":"idle"}}}',
        event({"type": "console_log", "console_bytes": "aGk="}).replace(JOB, "x"),
        event({"type": "state_transition", "new_state": {"state": "flying"}}),
        event({"type": "declare_exit_status", "user_exit_status": "great"}),
        event({"type": "nonsense"}),
        '{"a":' * 100_000,
        "[" * 100_000,
        '"\ud83d"',
    ],
)
def test_nonsense_is_told_in_words(text: str) -> None:
    with pytest.raises(wire.Undecodable) as caught:
        wire.read_by_switchboard(text)
    assert 0 < len(str(caught.value)) < 300
    assert "secret" not in str(caught.value)


def test_words_about_nonsense_do_not_repeat_it() -> None:
    text = event({"type": "declare_exit_status", "user_exit_status": "hunter2"})
    with pytest.raises(wire.Undecodable) as caught:
        wire.read_by_switchboard(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("size", [0, 1, 17, 100_000])
def test_console_bytes_of_any_value_come_through(size: int) -> None:
    data = bytes(number * 7 % 256 for number in range(size))
    assert b"".join(wire.console_pieces(wire.console_log(data))) == data


def test_blanks_between_console_bytes_are_fine() -> None:
    read = wire.read_by_switchboard(event({"type": "console_log", "console_bytes": [1, 2, 255]}))
    assert isinstance(read, wire.SupervisorEvent)
    assert isinstance(read.message.event, wire.ConsoleLog)
    assert b"".join(wire.console_pieces(read.message.event)) == b"\x01\x02\xff"


@pytest.mark.parametrize("array", ["[256]", "[-1]", "[1.5]", '["a"]', "[[1,2],3]", "{}", "[null]"])
def test_what_is_no_byte_is_told(array: str) -> None:
    text = event({"type": "console_log", "console_bytes": 0}).replace(
        '"console_bytes": 0', f'"console_bytes": {array}'
    )
    read = wire.read_by_switchboard(text)
    assert isinstance(read, wire.SupervisorEvent)
    assert isinstance(read.message.event, wire.ConsoleLog)
    with pytest.raises(wire.Undecodable):
        list(wire.console_pieces(read.message.event))


@pytest.mark.parametrize("message", ['"x"', "{}", "[]", "0"])
def test_a_supervisor_reads_status_requests_as_strictly_as_the_original(message: str) -> None:
    text = f'{{"type":"status_request","message":{{"request_id":"{REQUEST}","message":{message}}}}}'
    with pytest.raises(wire.Undecodable):
        wire.read_by_supervisor(text)

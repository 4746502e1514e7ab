"""Whose a broken or oversized answer is, and that nobody can pass for another."""

from __future__ import annotations

import msgspec
import pytest

from server.protocols.rrq.attribution import request_id_in
from server.wire.rrq_frames import KEPT_BYTES, Oversized

MINE, YOURS = "r-mine", "r-yours"


def oversized(payload: dict[str, object]) -> Oversized:
    body = msgspec.json.encode({"type": "response", "payload": payload})
    return Oversized(len(body), body[:KEPT_BYTES], body[-KEPT_BYTES:])


BIG = "x" * (3 * KEPT_BYTES)
NESTED = {"payload": {"request_id": YOURS}, "request_id": YOURS}


@pytest.mark.parametrize(
    "payload",
    [
        {"job_id": "j", "request_id": MINE, "status": "success", "result": BIG},
        {"status": "success", "result": [NESTED, BIG], "request_id": MINE},
        {"result": BIG, "request_id": MINE, "error": None, "retry_after_seconds": 1.5},
        {"result": f'"request_id":"{YOURS}"' + BIG, "request_id": MINE},
        {"result": {"a": NESTED}, "request_id": MINE, "error": {"details": BIG}},
    ],
)
def test_the_payloads_own_id_counts(payload: dict[str, object]) -> None:
    assert request_id_in(oversized(payload)) == MINE


@pytest.mark.parametrize(
    "payload",
    [
        {"status": "success", "result": BIG},
        {"result": [BIG, NESTED]},
        {"result": BIG + f'","request_id":"{YOURS}'},
        {"request_id": None, "result": [NESTED, BIG]},
        {"result": {"x": BIG, "request_id": YOURS}},
        {"result": [BIG, {"request_id": YOURS, "status": "success"}], "status": "success"},
    ],
)
def test_an_id_inside_of_a_result_does_not(payload: dict[str, object]) -> None:
    assert request_id_in(oversized(payload)) == ""


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"type":"response","payload":{"request_id":"r-mine","result":NaN}}', MINE),
        (b'{"type":"response","payload":{"request_id" : "r-mi', ""),
        (b'{"payload":{"result":NaN,"request_id":"r-mine"} }', MINE),
        (b'{"type":"response","payload":{"result":{"request_id":"r-yours"}}', ""),
        (b'{"request_id":"r-yours","payload":{}}', ""),
        (b"request_id", ""),
        (b"\xff" * 100, ""),
        (b"", ""),
    ],
)
def test_broken_answers_tell_as_well(body: bytes, found: str) -> None:
    assert request_id_in(body) == found


def test_hostile_ends_take_no_time() -> None:
    hostile = b'"request_id":"a",' * 50_000
    assert request_id_in(hostile) == ""
    assert request_id_in(b'{"a":{' + b'"' * 200_000) == ""


def test_strings_without_end_are_read_once() -> None:
    """Three of them took minutes, in which the coordinator did nothing else."""
    for begin in (b'"', b'{"payload":{"result":"', b'{"type":"response","payload":{"x":"'):
        assert request_id_in(begin + b'\\"' * (KEPT_BYTES // 2)) == ""

"""Messages that do not fit are told by their fields, in words that need no knowledge of Python."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from server.wire.misfits import misfit
from server.wire.native_v2 import Hello, SubmitBatch, Sync
from server.wire.operator import StopRequest, SubmitRequest

ONE_OR_MANY: Any = SubmitRequest | list[SubmitRequest]
LONG = "x" * 201
SYNC = '{"session":"a","secret":"b","sequence":1,'


def words_for(wanted: Any, body: str) -> str:
    with pytest.raises(msgspec.DecodeError) as caught:
        msgspec.json.decode(body.encode(), type=wanted)
    return misfit(caught.value, wanted)


@pytest.mark.parametrize(
    ("wanted", "body", "words"),
    [
        (
            SubmitBatch,
            '{"jobs":[{"priority":"x"}]}',
            "jobs[0].priority is to be a whole number, not text",
        ),
        (SubmitBatch, '{"jobs":{}}', "jobs is to be a list, not an object"),
        (SubmitBatch, "[]", "the body is to be an object, not a list"),
        (SubmitBatch, "{}", "the body lacks jobs"),
        (
            SubmitBatch,
            '{"jobs":[{"prioritty":1}]}',
            "jobs[0] has no field 'prioritty'; did you mean priority?",
        ),
        (ONE_OR_MANY, '{"tpye":"a"}', "the body has no field 'tpye'; did you mean type?"),
        (ONE_OR_MANY, '[{"type":5}]', "[0].type is to be text, not a whole number"),
        (ONE_OR_MANY, "5", "the body is to be an object or a list, not a whole number"),
        (
            StopRequest,
            '{"what":1}',
            "the body has no field 'what'; there are grace_seconds, now, abandon, reason",
        ),
        (StopRequest, '{"now":"yes"}', "now is to be true or false, not text"),
        (
            SubmitRequest,
            '{"priority":99999999}',
            "priority is to be from -1000000 to 1000000",
        ),
        (
            SubmitRequest,
            '{"unique_ttl_seconds":0}',
            "unique_ttl_seconds is to be more than 0 and at most 31536000",
        ),
        (SubmitRequest, '{"type":""}', "type is to have from 1 to 200 characters"),
        (SubmitRequest, '{"range":[1]}', "range is to have 2 entries"),
        (SubmitRequest, '{"range":[1,"x"]}', "range[1] is to be a whole number, not text"),
        (
            SubmitRequest,
            '{"retry":{"base_delay":"x"}}',
            "retry.base_delay is to be a number or null, not text",
        ),
        (SubmitRequest, '{"retry":{"jitter":2}}', "retry.jitter is to be from 0 to 1"),
        (SubmitRequest, '{"requires":{"a":1}}', "requires[...] is to be text, not a whole number"),
        (
            SubmitRequest,
            f'{{"requires":{{"{LONG}":"1"}}}}',
            "each name in requires is to have from 1 to 200 characters",
        ),
        (
            SubmitRequest,
            f'{{"requires":{{"a":"{LONG}"}}}}',
            "requires[...] is to have at most 200 characters",
        ),
        (
            SubmitRequest,
            '{"range_policy":"some"}',
            "range_policy is to be one of all, missing",
        ),
        (SubmitRequest, '{"type":"a","params":nope}', "it is no JSON: byte 22 is wrong"),
        (SubmitRequest, '{"type":"a"} x', "it is no JSON: byte 14 is wrong"),
        (SubmitRequest, '{"type":', "it is no JSON: it ends too early"),
        (Hello, '{"name":"a","types":["a",5]}', "types[1] is to be text, not a whole number"),
        (
            Sync,
            f'{SYNC}"reports":[{{"attempt":"a","state":"bogus"}}]}}',
            "reports[0].state is to be one of cancelled, error, refused, retry, running, success,"
            " timeout",
        ),
        (
            Sync,
            f'{SYNC}"output":[{{"attempt":"a","stream":"stdout","offset":1,"data":"*"}}]}}',
            "output[0].data is to be text in base64",
        ),
    ],
)
def test_each_misfit_is_told(wanted: Any, body: str, words: str) -> None:
    assert words_for(wanted, body) == words


@pytest.mark.parametrize(
    "name",
    ["` - at `$.jobs[0]", " - at `$.jobs[0]", "a - at `$", "a`b", "x" * 5_000, "\n", "\x1b[2J"],
)
def test_names_that_clients_make_up_lead_nobody_astray(name: str) -> None:
    body = msgspec.json.encode({"jobs": [{name: 1}]}).decode()
    words = words_for(SubmitBatch, body)
    assert words.startswith("jobs[0] has no field ")
    assert words.isprintable()
    assert not re.search("x{200}", words)
    at_the_top = words_for(SubmitBatch, msgspec.json.encode({name: 1}).decode())
    assert " has no field " in at_the_top  # a name that is a path itself may be told as one
    assert at_the_top.isprintable()

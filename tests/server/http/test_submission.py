from __future__ import annotations

import msgspec
import pytest

from server.errors import InvalidInput, TooLarge
from server.model import RetryPolicy
from server.payloads import MAX_DEPTH, check_payload, payload_value
from server.settings import RetrySettings, Settings
from server.submission import MAX_BATCH, idempotency_key, job_specs, milliseconds
from server.wire.operator import RetryRequest, SubmitRequest

SETTINGS = Settings(retry=RetrySettings(max_attempts=4, policy=RetryPolicy(base_delay_ms=7)))


def request_of(params: bytes) -> SubmitRequest:
    return SubmitRequest(type="noop", params=msgspec.Raw(params))


def test_what_is_left_out_stays_with_the_coordinator() -> None:
    [spec] = job_specs([SubmitRequest(type="noop")], SETTINGS)
    assert spec.params == b"{}"
    assert spec.queue == "default"
    assert spec.max_attempts is None
    assert spec.retry is None


def test_a_partial_retry_keeps_the_rest_of_the_configured_policy() -> None:
    request = SubmitRequest(type="noop", retry=RetryRequest(max_delay=1.5), timeout_seconds=0.0001)
    [spec] = job_specs([request], SETTINGS)
    assert spec.retry == RetryPolicy(base_delay_ms=7, max_delay_ms=1_500)
    assert spec.timeout_ms == 1


@pytest.mark.parametrize(("seconds", "expected"), [(0, 0), (1e-9, 1), (1.2345, 1234), (90, 90_000)])
def test_seconds_become_milliseconds(seconds: float, expected: int) -> None:
    assert milliseconds(seconds) == expected


@pytest.mark.parametrize("params", [b"{}", b"[1,2]", b"3", b'"text"', b"null", b' {"a": "[[["} '])
def test_any_json_value_passes_as_it_came(params: bytes) -> None:
    assert job_specs([request_of(params)], SETTINGS)[0].params == params


@pytest.mark.parametrize(
    "params",
    [b"", b"{", b"{}x", b"NaN", b"1e999", b'"\xff"', b'"\\ud800"', b"[" * 5000 + b"]" * 5000],
)
def test_bad_params_name_the_job(params: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"^job 1: params: "):
        job_specs([SubmitRequest(type="noop"), request_of(params)], SETTINGS)


def test_depth_counts_nesting_not_brackets() -> None:
    check_payload(b"[" + b"[]," * 500 + b"{}]", "x")
    check_payload(b'["' + b"[" * 500 + b'\\"[["]', "x")
    check_payload(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "x")
    with pytest.raises(InvalidInput, match="nested too deeply"):
        check_payload(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "x")


def test_large_maps_and_lists_are_refused() -> None:
    labels = {f"label{number}": "1" for number in range(65)}
    with pytest.raises(InvalidInput, match="requires names more"):
        job_specs([SubmitRequest(type="noop", requires=labels)], SETTINGS)
    with pytest.raises(InvalidInput, match="more than 32 entries"):
        job_specs([SubmitRequest(type="noop", trace_context=labels)], SETTINGS)
    with pytest.raises(InvalidInput, match="longer than"):
        job_specs([SubmitRequest(type="noop", trace_context={"a": "b" * 5000})], SETTINGS)
    with pytest.raises(TooLarge, match="at most 10000"):
        job_specs([SubmitRequest(type="noop")] * (MAX_BATCH + 1), SETTINGS)


def test_stored_payloads_can_always_be_told() -> None:
    assert payload_value(b"") is None
    assert payload_value(b'{"a":[1]}') == {"a": [1]}
    assert payload_value(b'{"a":1e999}') == '{"a":1e999}'
    assert payload_value(b'"\xff"') == '"\N{REPLACEMENT CHARACTER}"'


@pytest.mark.parametrize("text", ["", "\t", "é", "a" * 201, "a\x00b"])
def test_an_idempotency_key_is_short_printable_ascii(text: str) -> None:
    with pytest.raises(InvalidInput, match="printable ASCII"):
        idempotency_key(text)


def test_no_idempotency_key_is_none() -> None:
    assert idempotency_key(None) == ""
    assert idempotency_key("deploy 12") == "deploy 12"

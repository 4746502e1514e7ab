from __future__ import annotations

import msgspec
import pytest

from server.carriers import TraceParent, trace_parent
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


PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_unique_key_is_a_cache_key_with_an_end() -> None:
    [short] = job_specs(
        [SubmitRequest(type="noop", unique_key="a", unique_ttl_seconds=1.5)], SETTINGS
    )
    assert (short.cache_key, short.cache_ttl_ms) == ("a", 1_500)
    [plain] = job_specs([SubmitRequest(type="noop", unique_key="a")], SETTINGS)
    assert (plain.cache_key, plain.cache_ttl_ms) == ("a", 21_600_000)
    [cached] = job_specs([SubmitRequest(type="noop", cache_key="a")], SETTINGS)
    assert (cached.cache_key, cached.cache_ttl_ms) == ("a", 0)
    with pytest.raises(InvalidInput, match="cache_key and unique_key are one thing"):
        job_specs([SubmitRequest(type="noop", cache_key="a", unique_key="a")], SETTINGS)
    with pytest.raises(InvalidInput, match="says nothing without unique_key"):
        job_specs([SubmitRequest(type="noop", unique_ttl_seconds=5)], SETTINGS)


def test_nobody_answers_for_what_runpacks_clients_ask() -> None:
    theirs = "runpack:" + "0" * 64
    for request in (
        SubmitRequest(type="noop", cache_key=theirs),
        SubmitRequest(type="noop", unique_key=theirs),
    ):
        with pytest.raises(InvalidInput, match="those of Runpack's clients"):
            job_specs([request], SETTINGS)


def test_a_carrier_passes_as_it_came() -> None:
    carrier = {"traceparent": PARENT, "tracestate": "vendor=x", "baggage": "a=b"}
    correlation = {"tenant": "ä" * 128, "k" * 64: ""}
    [spec] = job_specs(
        [SubmitRequest(type="noop", trace_context=carrier, correlation=correlation)], SETTINGS
    )
    assert spec.trace_context == carrier
    assert spec.correlation == correlation


@pytest.mark.parametrize(
    ("carrier", "words"),
    [
        ({"traceparent": "00"}, "traceparent has the form"),
        ({"traceparent": PARENT.upper()}, "traceparent has the form"),
        ({"traceparent": f"ff{PARENT[2:]}"}, "traceparent has the form"),
        ({"traceparent": f"{PARENT}-more"}, "traceparent has the form"),
        ({"traceparent": PARENT.replace("00f067aa0ba902b7", "0" * 16)}, "ids not all 0"),
        ({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, "ids not all 0"),
        ({"tracestate": "vendor=x"}, "tracestate means nothing without traceparent"),
        ({"traceparent": PARENT, "tracestate": "a\r\nb"}, "printable ASCII"),
        ({"traceparent": PARENT, "trace\x00": ""}, "printable ASCII"),
        ({"baggage": "ä"}, "printable ASCII"),
    ],
)
def test_a_carrier_that_nobody_could_read_is_refused(carrier: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInput, match=f"^job 0: trace_context.*{words}"):
        job_specs([SubmitRequest(type="noop", trace_context=carrier)], SETTINGS)


def test_a_later_version_of_a_traceparent_may_say_more() -> None:
    parent = trace_parent(f"01{PARENT[2:]}-more")
    assert parent == TraceParent(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, 1)
    assert parent.is_sampled


@pytest.mark.parametrize(
    ("correlation", "words"),
    [
        ({f"k{number}": "" for number in range(17)}, "more than 16 entries"),
        ({"": "x"}, "1 to 64 characters"),
        ({"k" * 65: "x"}, "1 to 64 characters"),
        ({"k": "ä" * 129}, "the value of 'k' has more than 256 bytes"),
    ],
)
def test_a_large_correlation_is_refused(correlation: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        job_specs([SubmitRequest(type="noop", correlation=correlation)], SETTINGS)


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

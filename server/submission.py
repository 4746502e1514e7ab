"""From what a client asks for to what the coordinator takes in: submit requests to job specs.

Shared by every surface that takes :class:`SubmitRequest`, so that they agree on defaults and
limits. All or nothing: the first bad job refuses the whole list, naming its place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.carriers import check_correlation, check_trace_context
from server.errors import InvalidInput, TooLarge
from server.model import JobSpec, RetryPolicy
from server.payloads import check_payload
from server.ranges import checked as checked_range
from server.rrq_routing import routed_type
from server.wire.operator import SubmittedView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.coordinator.results import Submitted
    from server.ranges import Range
    from server.settings import Settings
    from server.wire.operator import RetryRequest, SubmitRequest

MAX_BATCH = 10_000
"""Jobs in one submit: one list is one transaction, and its neighbours wait for it."""
MAX_IDEMPOTENCY_KEY = 200
MAX_REQUIRES = 64
DEFAULT_UNIQUE_SECONDS = 21_600.0
"""How long a unique key answers where its submitter does not say: 6 hours, as with RRQ."""

RUNPACK_KEYS = "runpack:"
"""Beginning of the cache keys of Runpack's clients. Nobody else chooses such a one: whoever did
would answer their submits with what a job of his own says."""

MAX_RANGES = 100
"""Jobs over a cursor range in one submit: each has its first pieces made at once."""
RANGE_TYPE = "range"
"""Type of a job with a range that says no other."""

_EMPTY_PARAMS = b"{}"


def job_specs(requests: Sequence[SubmitRequest], settings: Settings) -> list[JobSpec]:
    """Turn submit requests into specs.

    Raises:
        InvalidInput: a job's parameters are no sound JSON, or one of its maps is too large.
        TooLarge: more than ``MAX_BATCH`` jobs at once, or more than ``MAX_RANGES`` ranges.
    """
    if len(requests) > MAX_BATCH:
        raise TooLarge(f"{len(requests)} jobs in one list, at most {MAX_BATCH} are accepted")
    ranges = sum(request.range is not None for request in requests)
    if ranges > MAX_RANGES:
        raise TooLarge(f"{ranges} ranges in one list, at most {MAX_RANGES} are accepted")
    return [_job_spec(request, settings, index) for index, request in enumerate(requests)]


def submitted_views(submitted: Sequence[Submitted]) -> list[SubmittedView]:
    """What whoever submitted jobs is told, in the order of the request."""
    return [
        SubmittedView(
            id=one.job.uuid,
            number=one.job.id,
            state=one.job.state,
            cached=one.is_cached,
            note=one.note,
        )
        for one in submitted
    ]


def idempotency_key(text: str | None) -> str:
    """What an ``Idempotency-Key`` header says; empty: there is none."""
    if text is None:
        return ""
    if not 1 <= len(text) <= MAX_IDEMPOTENCY_KEY or not (text.isascii() and text.isprintable()):
        raise InvalidInput(
            f"Idempotency-Key: 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters are accepted"
        )
    return text


def milliseconds(seconds: float) -> int:
    """Seconds of the wire as milliseconds; what is not 0 stays at least 1, as 0 means never."""
    return max(1, round(seconds * 1000)) if seconds > 0 else 0


def retry_policy(request: RetryRequest, default: RetryPolicy) -> RetryPolicy:
    """A policy where what the request leaves out comes from the configuration."""
    return RetryPolicy(
        base_delay_ms=_given_ms(request.base_delay, default.base_delay_ms),
        factor=default.factor if request.factor is None else request.factor,
        max_delay_ms=_given_ms(request.max_delay, default.max_delay_ms),
        jitter=default.jitter if request.jitter is None else request.jitter,
        max_losses=default.max_losses if request.max_losses is None else request.max_losses,
        restarts=default.restarts if request.restarts is None else request.restarts,
    )


def _given_ms(seconds: float | None, default_ms: int) -> int:
    return default_ms if seconds is None else milliseconds(seconds)


def _job_spec(request: SubmitRequest, settings: Settings, index: int) -> JobSpec:
    """One spec. Nothing said of attempts or retry stays so: the coordinator has the defaults."""
    params = bytes(request.params)
    if params != _EMPTY_PARAMS:
        check_payload(params, f"job {index}: params")
    if request.requires or request.trace_context or request.correlation:
        _check_maps(request, index)
    cache_key, cache_ttl_ms = _cache_key(request, index)
    retry = request.retry
    return JobSpec(
        type=_type(request, settings, index),
        params=params,
        queue=request.queue,
        priority=request.priority,
        requires=request.requires,
        run_at=request.run_at,
        timeout_ms=milliseconds(request.timeout_seconds),
        max_attempts=request.max_attempts,
        retry=None if retry is None else retry_policy(retry, settings.retry.policy),
        cache_key=cache_key,
        trace_context=request.trace_context,
        correlation=request.correlation,
        cache_ttl_ms=cache_ttl_ms,
        range=_range(request, index),
        range_policy=request.range_policy,
        reason=request.reason,
    )


def _range(request: SubmitRequest, index: int) -> Range | None:
    if request.range is None:
        if request.range_policy != "all":
            raise InvalidInput(f"job {index}: range_policy says nothing without range")
        return None
    return checked_range(*request.range, what=f"job {index}: range")


def _type(request: SubmitRequest, settings: Settings, index: int) -> str:
    if request.range is not None:
        return request.type or RANGE_TYPE
    if not request.type:
        raise InvalidInput(f"job {index}: type is missing; only a job with a range has a default")
    return routed_type(settings.protocols.rrq, request.type, request.queue)


def _cache_key(request: SubmitRequest, index: int) -> tuple[str | None, int]:
    """The key that answers for a job, and for how long; a unique key is a cache key with an end."""
    if (request.cache_key or request.unique_key or "").startswith(RUNPACK_KEYS):
        raise InvalidInput(
            f"job {index}: keys that begin with {RUNPACK_KEYS} are those of Runpack's clients"
        )
    if request.unique_key is None:
        if request.unique_ttl_seconds is not None:
            raise InvalidInput(f"job {index}: unique_ttl_seconds says nothing without unique_key")
        return request.cache_key, 0
    if request.cache_key is not None:
        raise InvalidInput(f"job {index}: cache_key and unique_key are one thing; give one")
    seconds = request.unique_ttl_seconds
    return request.unique_key, milliseconds(DEFAULT_UNIQUE_SECONDS if seconds is None else seconds)


def _check_maps(request: SubmitRequest, index: int) -> None:
    if len(request.requires) > MAX_REQUIRES:
        raise InvalidInput(f"job {index}: requires names more than {MAX_REQUIRES} labels")
    if request.trace_context:
        check_trace_context(request.trace_context, f"job {index}: trace_context")
    if request.correlation:
        check_correlation(request.correlation, f"job {index}: correlation")

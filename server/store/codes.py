"""How words of the model are written in the database, and rows become facts again.

States are small integers there: comparing and indexing them costs a fraction of text, and their
order makes ranges (waiting, active, final) one comparison. The order is therefore part of the
schema; a test holds it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from server.model import (
    ATTEMPT_STATES,
    JOB_STATES,
    OUTCOME_KINDS,
    STREAMS,
    WANTED,
    Attempt,
    Job,
    JobDetails,
    Outcome,
    Progress,
    RetryPolicy,
    Task,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from server.model import AttemptState, JobState, OutcomeKind, Stream, Wanted

Row = tuple[Any, ...]

SCHEDULED: Final = 0
PENDING: Final = 1
FIRST_ACTIVE: Final = 2
LAST_ACTIVE: Final = 4
FIRST_FINAL: Final = 5
ATTEMPT_ENDED: Final = 4

STATE_CODE: Final[dict[JobState, int]] = {word: code for code, word in enumerate(JOB_STATES)}
ATTEMPT_CODE: Final[dict[AttemptState, int]] = {w: c for c, w in enumerate(ATTEMPT_STATES)}
OUTCOME_CODE: Final[dict[OutcomeKind, int]] = {w: c for c, w in enumerate(OUTCOME_KINDS)}
WANTED_CODE: Final[dict[Wanted, int]] = {word: code for code, word in enumerate(WANTED)}
STREAM_CODE: Final[dict[Stream, int]] = {word: code for code, word in enumerate(STREAMS)}

JOB_COLUMNS: Final = ", ".join(Job._fields)
JOB_COLUMNS_J: Final = ", ".join(f"j.{name}" for name in Job._fields)
ATTEMPT_COLUMNS: Final = ", ".join(Attempt._fields)
DETAIL_COLUMNS: Final = (
    "job, params, submitter, timeout_ms, retry, cache_key, parent, resubmit_of, trace, extra,"
    " correlation, cache_ttl_ms, schedule"
)

_encode = msgspec.json.Encoder().encode
_decode_map = msgspec.json.Decoder(dict[str, str]).decode
_decode_members = msgspec.json.Decoder(tuple[tuple[int, int], ...]).decode
_decode_ids = msgspec.json.Decoder(tuple[int, ...]).decode
_decode_names = msgspec.json.Decoder(tuple[str, ...]).decode
_DEFAULT_RETRY: Final = RetryPolicy()


def job_of(row: Row) -> Job:
    """A job from the columns of :data:`JOB_COLUMNS`."""
    return Job._make((*row[:3], JOB_STATES[row[3]], *row[4:13], WANTED[row[13]], row[14], row[15]))


def attempt_of(row: Row) -> Attempt:
    """An attempt from the columns of :data:`ATTEMPT_COLUMNS`."""
    kind = row[15]
    return Attempt._make(
        (
            *row[:6],
            ATTEMPT_STATES[row[6]],
            *row[7:14],
            bool(row[14]),
            None if kind is None else OUTCOME_KINDS[kind],
        )
    )


def details_of(row: Row, submitter: tuple[str, str, str]) -> JobDetails:
    """A job's details from the columns of :data:`DETAIL_COLUMNS`, and who submitted it."""
    _, params, _, timeout_ms, retry, cache_key, parent, resubmit_of, trace, extra = row[:10]
    correlation, cache_ttl_ms, schedule = row[10:]
    owner, origin, namespace = submitter
    return JobDetails(
        params,
        owner,
        origin,
        namespace,
        timeout_ms,
        _DEFAULT_RETRY if retry is None else retry_of(retry),
        cache_key,
        parent,
        resubmit_of,
        _map_or_none(trace),
        extra or b"",
        _map_or_none(correlation),
        cache_ttl_ms,
        schedule,
    )


def task_of(row: Row) -> Task:
    """What a runner is told of a job: (params, timeout_ms, trace, correlation)."""
    params, timeout_ms, trace, correlation = row
    if trace is None and correlation is None:  # as of nearly all
        return Task._make(row)
    return Task(params, timeout_ms, _map_or_none(trace), _map_or_none(correlation))


def progress_of(current: float | None, total: float | None, text: str | None) -> Progress | None:
    """Progress as stored; a missing text says that none was ever reported."""
    return None if text is None else Progress(current, total, text)


def outcome_of(kind: int | None, result: bytes | None, row: Row) -> Outcome | None:
    """An outcome from its attempt's columns and, where there was more to say, the row with that.

    The row is (message, type, code, details, exit_code, signal, retry_after_ms, is_retryable).
    """
    if kind is None:
        return None
    if row[7] is None:
        return Outcome(OUTCOME_KINDS[kind], result=result or b"")
    return Outcome(
        OUTCOME_KINDS[kind],
        row[0] or "",
        row[1] or "",
        row[2],
        row[3] or b"",
        row[4],
        row[5],
        result or b"",
        row[6],
        bool(row[7]),
    )


def json_ids(ids: Iterable[int]) -> str:
    """Ids as one bound value, for ``IN (SELECT value FROM json_each(?))``."""
    return _encode(list(ids)).decode()


def json_texts(texts: Iterable[str]) -> str:
    return _encode(list(texts)).decode()


def json_map(numbers: Mapping[str, int]) -> str:
    """Names and their numbers as one bound value: ``key`` and ``value`` of ``json_each``."""
    return _encode(numbers).decode()


def map_text(values: Mapping[str, str]) -> str:
    """A map of strings, always written alike, so that equal maps are equal texts."""
    if not values:
        return "{}"
    return _encode(dict(sorted(values.items()))).decode()


def map_of(text: str) -> dict[str, str]:
    return _decode_map(text)


def _map_or_none(text: str | None) -> dict[str, str] | None:
    return None if text is None else _decode_map(text)


@lru_cache(maxsize=64)
def retry_text(policy: RetryPolicy) -> str | None:
    """A retry policy as JSON; None for the default, which nearly all jobs have.

    Few policies serve many jobs, so each is written down, and read, once.
    """
    return None if policy == _DEFAULT_RETRY else _encode(policy).decode()


@lru_cache(maxsize=64)
def retry_of(text: str) -> RetryPolicy:
    return msgspec.json.decode(text, type=RetryPolicy)


def members_text(members: Iterable[tuple[int, int]]) -> str:
    return _encode(list(members)).decode()


def members_of(text: str | None) -> tuple[tuple[int, int], ...]:
    return () if text is None else _decode_members(text)


def ids_of(text: str) -> tuple[int, ...]:
    return _decode_ids(text)


def names_of(text: str) -> tuple[str, ...]:
    return _decode_names(text)

"""Handlers as RRQ's runtimes read them: what they return and raise, as answers know it.

An exception's class is no error type there, a TimeoutError is a timeout, and no number is null.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from traffic_tui.runner.outcome import ExecutionOutcome
from traffic_tui.runner.registry import Registry

if TYPE_CHECKING:
    from traffic_tui.runner.registry import Entry
    from traffic_tui.runner.request import ExecutionRequest

log = logging.getLogger(__name__)

TIMED_OUT = "Job execution timed out"
UNHANDLED = "Unhandled handler error"
INVALID_RESULT = "invalid_result"

_encoder = msgspec.json.Encoder()


def as_rrq_reads(registry: Registry) -> Registry:
    """The same types of jobs, each ending as it would in a runner of RRQ's own."""
    read = Registry()
    for entry in registry.entries.values():
        read.add(entry._replace(handler=RrqHandler(entry)))
    return read


class RrqHandler:
    """One handler with RRQ's reading of what it does."""

    def __init__(self, entry: Entry) -> None:
        self._handler = entry.handler

    async def __call__(self, request: ExecutionRequest) -> object:
        ids = request.job_id, request.request_id
        try:
            value = await self._handler(request)
            return _as_json(value)
        except _InvalidResult as error:
            return ExecutionOutcome.failure(*ids, str(error), INVALID_RESULT)
        except TimeoutError as error:
            return ExecutionOutcome.timeout(*ids, str(error) or TIMED_OUT)
        except SystemExit as error:
            return ExecutionOutcome.failure(*ids, f"the handler called sys.exit({error.code!r})")
        except Exception as error:  # foreign code: whatever it raises is its outcome
            log.debug("the handler of %s raised", request.function_name, exc_info=True)
            return ExecutionOutcome.failure(*ids, str(error) or UNHANDLED)


class _InvalidResult(Exception):
    """A handler returned what cannot be told as JSON."""


def json_bytes(value: object) -> bytes:
    """JSON of a value. Numbers that are none become null, times and ids become text.

    Raises:
        ValueError: it is no JSON, in words.
    """
    try:
        return _encoder.encode(value)
    except RecursionError:
        raise ValueError("it is nested too deeply, or holds itself") from None
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError) as error:
        raise ValueError(str(error) or type(error).__name__) from None


def _as_json(value: object) -> object:
    """A handler's answer, in which only plain JSON values are left."""
    if not isinstance(value, ExecutionOutcome):
        return _plain_values(value)
    if value.error is not None and value.error.details is not None:
        with contextlib.suppress(_InvalidResult):  # details that are no JSON are told as text
            details = _plain_values(value.error.details)
            value = replace(value, error=replace(value.error, details=details))
    return value if value.result is None else replace(value, result=_plain_values(value.result))


def _plain_values(value: object) -> Any:
    if value is None or value is True or value is False:
        return value
    try:
        return msgspec.json.decode(json_bytes(value))
    except (ValueError, msgspec.DecodeError, RecursionError) as error:
        raise _InvalidResult(f"the result is no JSON: {error}") from None

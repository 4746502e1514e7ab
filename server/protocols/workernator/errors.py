"""What goes wrong in a call, as gRPC status codes."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, ParamSpec

from grpclib.const import Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from server.errors import (
    Busy,
    DiskFull,
    Forbidden,
    InvalidInput,
    NotFound,
    Refused,
    TooLarge,
    TrafficError,
)
from server.protocols.workernator.access import NotAllowed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

P = ParamSpec("P")

STATUS: tuple[tuple[type[TrafficError], Status], ...] = (
    (InvalidInput, Status.INVALID_ARGUMENT),
    (NotFound, Status.NOT_FOUND),
    (Forbidden, Status.PERMISSION_DENIED),
    (TooLarge, Status.RESOURCE_EXHAUSTED),
    (DiskFull, Status.RESOURCE_EXHAUSTED),
    (Busy, Status.UNAVAILABLE),
    (Refused, Status.FAILED_PRECONDITION),
)
MAX_MESSAGE = 1_000
"""Characters of a status message: it travels in a header."""

logger = logging.getLogger(__name__)


class CannotStart(TrafficError):
    """The runner looked at the job and would not begin it."""


class OutputLost(TrafficError):
    """Bytes that were asked for are not kept."""


def answered(
    call: Callable[P, Awaitable[None]],
) -> Callable[P, Coroutine[Any, Any, None]]:
    """The boundary of each call: whatever goes wrong becomes a status with words."""

    @functools.wraps(call)
    async def bounded(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await call(*args, **kwargs)
        except NotAllowed as error:
            raise GRPCError(Status.UNAUTHENTICATED, str(error)) from None
        except CannotStart as error:
            raise GRPCError(Status.UNKNOWN, _short(error.message)) from None
        except OutputLost as error:
            raise GRPCError(Status.DATA_LOSS, _short(error.message)) from None
        except TrafficError as error:
            raise GRPCError(_status_of(error), _short(error.message)) from None
        except (GRPCError, StreamTerminatedError, TimeoutError):
            raise  # said already, or the caller is gone, or its own deadline has passed
        except Exception:
            logger.exception("a call failed")
            raise GRPCError(Status.INTERNAL, "the coordinator failed; its log says more") from None

    return bounded


def _status_of(error: TrafficError) -> Status:
    for kind, status in STATUS:
        if isinstance(error, kind):
            return status
    return Status.INTERNAL


def _short(message: str) -> str:
    return message[:MAX_MESSAGE]

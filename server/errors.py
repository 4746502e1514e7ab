"""Errors of the coordinator. Every one is meant for a person and maps to one HTTP status.

TrafficError
├── InvalidInput      400  what was sent makes no sense
├── Unauthenticated   401  no key, or a wrong one
├── Forbidden         403  the key's role does not allow this
├── NotFound          404
├── SlowBody          408  the request took too long to arrive
├── Refused           409  the state of things forbids it
│   └── UnknownSession     the runner has to say hello again
├── TooLarge          413
├── TooManyRequests   429
├── Busy              503  try again in ``retry_after`` seconds
├── DiskFull          507
└── StoreError        500  the data cannot be opened, or storage failed
    └── StoreLocked        another coordinator has it open
"""

from __future__ import annotations

from typing import Any, ClassVar


class TrafficError(Exception):
    """Base of all errors that are told to whoever asked."""

    status: ClassVar[int] = 500
    default_code: ClassVar[str] = "error"

    def __init__(self, message: str, *, code: str | None = None, details: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.details = details


class InvalidInput(TrafficError):
    """What was sent cannot be understood or breaks a stated limit."""

    status = 400
    default_code = "invalid"


class Unauthenticated(TrafficError):
    """No key was sent, or one that is not known, has expired or was revoked."""

    status = 401
    default_code = "unauthenticated"


class Forbidden(TrafficError):
    """The key is good, but its role does not allow this."""

    status = 403
    default_code = "forbidden"


class NotFound(TrafficError):
    """There is no such thing, or it is not visible to whoever asks."""

    status = 404
    default_code = "not_found"


class SlowBody(TrafficError):
    """The request did not arrive whole within its time."""

    status = 408
    default_code = "slow_body"


class Refused(TrafficError):
    """The request is fine, but the state of the job or runner forbids it."""

    status = 409
    default_code = "refused"


class UnknownSession(Refused):
    """The session is not known (any more); the runner says hello again."""

    default_code = "unknown_session"


class TooLarge(TrafficError):
    """A body or a field is over its limit."""

    status = 413
    default_code = "too_large"


class TooManyRequests(TrafficError):
    """A rate limit was hit."""

    status = 429
    default_code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float, details: Any = None) -> None:
        super().__init__(message, details=details)
        self.retry_after = retry_after


class Busy(TrafficError):
    """The coordinator has more work queued than it accepts, or is shutting down."""

    status = 503
    default_code = "busy"

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DiskFull(TrafficError):
    """Less than ``storage.min_free`` is left: new jobs are refused, outcomes still commit."""

    status = 507
    default_code = "disk_full"


class StoreError(TrafficError):
    """The store cannot be opened, or its database failed."""

    default_code = "store"


class StoreLocked(StoreError):
    """Another coordinator has the data open."""

    default_code = "store_locked"

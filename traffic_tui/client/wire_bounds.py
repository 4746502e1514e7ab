"""The bounds that the wire sets, held up for calls that go over none."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast, get_args

import msgspec

from server.errors import InvalidInput
from server.store.base import Grouping, JobOrder
from server.wire.misfits import misfit
from traffic_tui.client.base import ClientError
from traffic_tui.client.messages import no_text

if TYPE_CHECKING:
    from server.errors import TrafficError
    from server.wire.operator import Request

R = TypeVar("R", bound="Request")

MAX_PAGE = 1_000
MAX_DUE = 100


def checked_request(request: R) -> R:
    """The request as it would come off the wire."""
    try:
        return msgspec.json.decode(msgspec.json.encode(request), type=type(request))
    except UnicodeEncodeError as error:
        raise no_text() from error
    except msgspec.MsgspecError as error:
        words = f"the body is not what is expected here: {misfit(error, type(request))}"
        raise as_client_error(InvalidInput(words)) from error


def check_page(limit: int) -> None:
    """Refuse pages of a size that no page has."""
    if not 1 <= limit <= MAX_PAGE:
        raise as_client_error(InvalidInput(f"limit is from 1 to {MAX_PAGE}, not {limit}"))


def check_due_count(count: int) -> None:
    """Refuse to count more due times than an answer holds."""
    if not 1 <= count <= MAX_DUE:
        raise as_client_error(InvalidInput(f"count is from 1 to {MAX_DUE}, not {count}"))


def checked_order(order: str) -> JobOrder:
    """An order of jobs, out of the known ones."""
    known = get_args(JobOrder)
    if order not in known:
        words = f"order is one of {', '.join(known)}, not {order[:60]!r}"
        raise as_client_error(InvalidInput(words))
    return cast("JobOrder", order)


def checked_grouping(by: str) -> Grouping:
    """What jobs are grouped by, out of what is known."""
    known = get_args(Grouping)
    if by not in known:
        words = f"by is one of {', '.join(known)}, not {by[:60]!r}"
        raise as_client_error(InvalidInput(words))
    return cast("Grouping", by)


def as_client_error(error: TrafficError) -> ClientError:
    """The coordinator's error as a client of it sees it."""
    return ClientError(error.message, code=error.code, status=error.status, details=error.details)

"""What is written of cursor ranges: parameters of pieces, and events. Pure."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from server.errors import InvalidInput
from server.ranges import SPAN_KINDS, Range, piece_count, subtract, units_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.ranges import Span

CURSOR_FROM = "cursor_from"
CURSOR_TO = "cursor_to"
_NAMED: Final = 5
"""Other jobs that are named in words."""
_LISTED: Final = 20
"""Other jobs that are named in an event's data."""

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def check_range_params(params: bytes) -> None:
    """Raise InvalidInput unless the ends of a piece can be put beside these parameters."""
    try:
        given = _decode(params)
    except msgspec.DecodeError:
        raise InvalidInput("params: with a range, they have to be an object") from None
    for name in (CURSOR_FROM, CURSOR_TO):
        if name in given:
            raise InvalidInput(f"params: {name} is set by the range; leave it out")


def piece_params(params: bytes, ranges: Iterable[Range]) -> list[bytes]:
    """The parameters of a job with the ends of each piece beside them."""
    given = {name: value for name, value in _decode(params).items() if not _is_an_end(name)}
    before = msgspec.json.encode(given)[:-1] + (b"," if given else b"")
    return [
        b'%b"%b":%d,"%b":%d}' % (before, CURSOR_FROM.encode(), low, CURSOR_TO.encode(), high)
        for low, high in ranges
    ]


def _is_an_end(name: str) -> bool:
    return name in (CURSOR_FROM, CURSOR_TO)


def alike_key(job_type: str, namespace: str, params: bytes) -> str:
    """The same for ranges whose pieces do the same work."""
    value = msgspec.json.encode(msgspec.json.decode(params), order="sorted")
    text = b"\0".join((job_type.encode(), namespace.encode(), value))
    return hashlib.sha256(text).hexdigest()[:32]


class Plan(NamedTuple):
    """What is to be done of a range, and what is not."""

    whole: Range
    to_do: int
    pieces: int
    elsewhere: int
    """Units that other jobs have done or are doing."""
    too_old: int
    others: tuple[int, ...]
    """Those other jobs."""

    def words(self, max_backfill_ms: int) -> str:
        """What is left out, and why; empty: nothing is."""
        parts: list[str] = []
        if self.elsewhere:
            more = " and others" if len(self.others) > _NAMED else ""
            listed = ", ".join(map(str, self.others[:_NAMED]))
            amount = self._amount(self.elsewhere)
            parts.append(f"{amount} were done or are being done by job {listed}{more}")
        if self.too_old:
            bound = f"{max_backfill_ms / 1000:g}s (max_backfill)"
            parts.append(f"{self._amount(self.too_old)} are older than {bound}")
        return "left out: " + "; ".join(parts) if parts else ""

    def _amount(self, units: int) -> str:
        return f"{units} of {self.whole.units} units ({units / self.whole.units:.0%})"

    def data(self) -> bytes:
        """The same as JSON."""
        return msgspec.json.encode(
            {
                "from": self.whole.low,
                "to": self.whole.high,
                "to_do": self.to_do,
                "pieces": self.pieces,
                "elsewhere": self.elsewhere,
                "too_old": self.too_old,
                "others": self.others[:_LISTED],
            }
        )


def plan_of(whole: Range, spans: Sequence[Span], width: int, others: Sequence[int]) -> Plan:
    """The plan of a range of which these spans need no piece."""
    gaps = subtract(whole, [span.range for span in spans])
    units = {
        kind: units_of(span.range for span in spans if span.kind == kind) for kind in SPAN_KINDS
    }
    return Plan(
        whole,
        units_of(gaps),
        piece_count(gaps, width),
        units["elsewhere"],
        units["too_old"],
        tuple(others),
    )

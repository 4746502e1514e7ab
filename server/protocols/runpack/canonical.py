"""JSON as JavaScript reads, writes and orders it.

A Runpack job is known by the hash of its JSON text as a JavaScript engine would write it, so two
submits are the same job only if every number, key order and escape comes out byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import re
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

import msgspec

from server.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DEPTH = 256
"""Deepest nesting accepted: a bound of our own, so that no stack is ever exhausted."""
MAX_EXACT = float(2**53)
"""Below this, doubles and integers have the same digits."""
MAX_INDEX = 4_294_967_294
"""Largest object key that JavaScript enumerates as an array index."""

_UNLIKE = re.compile(rb'[0-9](?:[.eE]|[0-9]{15})|-0|"[0-9]|__proto__|\\u')
"""What JavaScript may read, order or write otherwise than Python: fractions, large numbers, keys
that are array indices, halves of surrogate pairs. Some texts that are alike hold it as well."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_INDEX = re.compile(r"(?:0|[1-9][0-9]{0,9})\Z")

Pairs: TypeAlias = "Iterable[tuple[str, Any]]"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_decoder = json.JSONDecoder(parse_int=float, parse_constant=_refuse_constant)
_plain_decoder = msgspec.json.Decoder()
_plain_encoder = msgspec.json.Encoder()
_sorting_encoder = msgspec.json.Encoder(order="sorted")


class Document(NamedTuple):
    """JSON as it was read."""

    value: Any
    is_plain: bool
    """Whether JavaScript and Python write it alike, which most parameters are and which is a
    fraction of the work."""


def read(body: bytes) -> Document:
    """Read JSON that is going to be written again.

    Raises:
        InvalidInput: what stands there is no UTF-8 or no JSON, or is nested too deeply.
    """
    if is_plain(body):
        try:
            return Document(_plain_decoder.decode(body), True)
        except msgspec.DecodeError:
            pass  # whoever reads it below has better words
    return Document(parse(text_of(body)), False)


def is_plain(body: bytes) -> bool:
    """Whether JSON surely has the same numbers, key order and escapes for both languages."""
    return (
        body.isascii()
        and body.count(b"[") + body.count(b"{") < MAX_DEPTH
        and _UNLIKE.search(body) is None
    )


def text_of(body: bytes) -> str:
    """The text of a body, without a byte order mark.

    Raises:
        InvalidInput: it is no UTF-8.
    """
    try:
        return body.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the body is not UTF-8: byte {error.start} is wrong") from None


def parse(text: str) -> Any:
    """Read JSON; every number becomes a double, of equal keys the last value stays.

    Raises:
        InvalidInput: what stands there is no JSON, or is nested too deeply.
    """
    try:
        return _decoder.decode(text)
    except RecursionError:
        raise InvalidInput("the JSON is nested too deeply") from None
    except ValueError as error:
        raise InvalidInput(f"this is no JSON: {error}") from None


def stringify(value: Any, *, plain: bool = False) -> str:
    """The text ``JSON.stringify`` gives for a value; ``plain``: it is of a plain document."""
    return _plain_encoder.encode(value).decode() if plain else _text(value, _enumerated, 0)


def canonical(value: Any, *, plain: bool = False) -> str:
    """The text that is hashed: keys sorted at every depth, then enumerated."""
    return _sorting_encoder.encode(value).decode() if plain else _text(value, _sorted, 0)


def job_hash(job_type: str, params: Any, *, plain: bool = False) -> str:
    """What makes two jobs the same: SHA-256 over type and parameters, in lower-case hex."""
    text = f'{{"type":{_quote(job_type)},"params":{canonical(params, plain=plain)}}}'
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def utf16_length(text: str) -> int:
    """How long JavaScript finds a text, in UTF-16 units."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def storable(text: str) -> bytes:
    """The UTF-8 of a text; halves of surrogate pairs, which have none, become U+FFFD."""
    if text.isascii():
        return text.encode("ascii")
    return _SURROGATE.sub("\ufffd", text).encode("utf-8")


def format_number(value: float) -> str:
    """A double as JavaScript writes it: shortest digits that read back, its own exponent rules."""
    if value.is_integer() and -MAX_EXACT < value < MAX_EXACT:
        return str(int(value))
    digits, point = _shortest_digits(value)
    if not digits:
        return "null"  # JSON has no infinities
    sign = "-" if value < 0 else ""
    if 0 < point <= 21:
        if len(digits) <= point:
            return f"{sign}{digits.ljust(point, '0')}"
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{point - 1:+d}"


def _shortest_digits(value: float) -> tuple[str, int]:
    """Significant digits and how many of them stand before the point; no digits: not finite."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    if not whole.isdigit():
        return "", 0
    digits = (whole + fraction).lstrip("0")
    dropped = len(whole) + len(fraction) - len(digits)
    return digits.rstrip("0"), len(whole) - dropped + int(exponent or "0")


def _quote(text: str) -> str:
    quoted = encode_basestring(text)
    if quoted.isascii():
        return quoted
    return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def _text(value: Any, arrange: Callable[[dict[str, Any]], Pairs], depth: int) -> str:
    kind = type(value)
    if kind is str:
        return _quote(value)
    if kind is float:
        return format_number(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if depth >= MAX_DEPTH:
        raise InvalidInput(f"the JSON is nested more than {MAX_DEPTH} levels deep")
    below = depth + 1
    if kind is list:
        return f"[{','.join([_text(item, arrange, below) for item in value])}]"
    members = [f"{_quote(key)}:{_text(item, arrange, below)}" for key, item in arrange(value)]
    return f"{{{','.join(members)}}}"


def _enumerated(members: dict[str, Any]) -> Pairs:
    """Keys that are array indices first, by number; then the others as they came."""
    indices = [key for key in members if key[:1].isdigit() and _is_index(key)]
    if not indices:
        return members.items()
    indices.sort(key=int)
    first = [(key, members[key]) for key in indices]
    taken = set(indices)
    return first + [pair for pair in members.items() if pair[0] not in taken]


def _sorted(members: dict[str, Any]) -> Pairs:
    """By UTF-16 units, then enumerated; assigning ``__proto__`` makes no key in a copy."""
    keys = [key for key in members if key != "__proto__"]
    if all(map(str.isascii, keys)):
        keys.sort()
    else:
        keys.sort(key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return _enumerated({key: members[key] for key in keys})


def _is_index(key: str) -> bool:
    return _INDEX.match(key) is not None and int(key) <= MAX_INDEX

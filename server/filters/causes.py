"""What went wrong, less what is never twice the same: numbers, ids and addresses.

A bad deploy fails a thousand jobs with a thousand texts that differ in a line number or a job's
id. Their cause is one. Exit codes and the like stay: they tell one cause from another.
"""

from __future__ import annotations

import re
from typing import Final

MARK: Final = "#"
"""Stands where a number, an id or an address was."""
MAX_LENGTH: Final = 200
"""Characters of a cause; texts that begin so far alike are of one."""
_LOOKED_AT: Final = 1_000
"""Characters of a text that its cause is made from."""
_VARYING: Final = re.compile(
    r"""
    (?P<telling> \b (?: exit(?:ed)?(?:\ with)?(?:\ status|\ code)? | status(?:\ code)? | code
                   | signal | errno | http ) [ :=]{1,2} [0-9]{1,3} (?! [.,:/_-]?[0-9a-z] ) )
    | \b (?= [a-f-]{0,35}[0-9] ) [0-9a-f]{8} (?: -[0-9a-f]{4} ){3} -[0-9a-f]{12} \b  # UUID
    | \b 0x[0-9a-f]+ \b
    | \b (?= [a-f]*[0-9] ) [0-9a-f]{6,} \b                                          # digest
    | \b (?= [a-f:]{0,45}[0-9] ) [0-9a-f]{0,4} (?: :{1,2}[0-9a-f]{1,4} ){2,7} \b     # IPv6, time
    | [0-9]+ (?: [.,:/_-][0-9]+ )*                                          # number, IPv4, date
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""The group ``telling`` tells causes apart and is kept. Every other alternative needs a digit, and
looks ahead for it no farther than its own length: without that bound a long run of letters would
take quadratic time."""


def cause_of(text: str) -> str:
    """The cause that an error text tells of; of a cause, the cause itself."""
    return " ".join(without_varying(text[:_LOOKED_AT]).split())[:MAX_LENGTH].rstrip()


def without_varying(text: str) -> str:
    """A text with a mark for each number, id and address."""
    return _VARYING.sub(lambda found: found["telling"] or MARK, text)

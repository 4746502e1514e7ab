"""What went wrong, less what is never twice the same: numbers, ids and addresses.

A bad deploy fails a thousand jobs with a thousand texts that differ in a line number or a job's
id. Their cause is one.
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
    r"\b(?=[a-f-]*[0-9])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
    r"|\b0x[0-9a-f]+\b"
    r"|\b(?=[a-f]*[0-9])[0-9a-f]{6,}\b"
    r"|\b(?=[a-f:]*[0-9])[0-9a-f]{0,4}(?::{1,2}[0-9a-f]{1,4}){2,7}\b"
    r"|[0-9]+(?:[.,:/_-][0-9]+)*",
    re.IGNORECASE,
)


def cause_of(text: str) -> str:
    """The cause that an error text tells of; of a cause, the cause itself."""
    return " ".join(without_varying(text[:_LOOKED_AT]).split())[:MAX_LENGTH].rstrip()


def without_varying(text: str) -> str:
    """A text with a mark for each number, id and address."""
    return _VARYING.sub(MARK, text)

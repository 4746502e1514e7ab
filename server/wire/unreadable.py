"""What decoding raises, whatever the bytes are: what is read may come from anybody."""

from __future__ import annotations

from typing import Final

import msgspec

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Of bytes that are no message: of another form, not UTF-8, or nested without end."""

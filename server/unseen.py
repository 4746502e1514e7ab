"""Characters that a terminal obeys, or shows as something else than they are."""

from __future__ import annotations

from typing import Final

UNSEEN: Final = (
    r"\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    r"\U000e0000-\U000e007f"
)
"""Control characters after the first 32, line ends of Unicode, and marks that turn the reading
direction or take no room: as they stand between the brackets of a regular expression."""

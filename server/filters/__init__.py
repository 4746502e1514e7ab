"""The filter language: one text, the same jobs everywhere.

    state:failed queue:gpu age>10m runner:lab* label.os:linux args.user:7 !word

Terms stand side by side and all must hold; a comma means or, an asterisk anything, ``!`` not.
Letters large and small are alike. The console, the command line and the API read it here; the
store turns it into a query.
"""

from __future__ import annotations

from server.filters.parser import FilterError, parse_filter
from server.filters.patterns import fold, folded_error
from server.filters.terms import Filter, FilterRow
from server.filters.words import Completion, describe, quoted, suggest

parse = parse_filter

__all__ = [
    "Completion",
    "Filter",
    "FilterError",
    "FilterRow",
    "describe",
    "fold",
    "folded_error",
    "parse",
    "parse_filter",
    "quoted",
    "suggest",
]

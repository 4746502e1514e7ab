"""Everything an operator can ask for, without HTTP: for API routes and the embedded client."""

from __future__ import annotations

from server.operator.api import OperatorApi
from server.operator.feed import Feed, FeedItem, KeepAlive, Resync
from server.operator.outputs import OutputPart

__all__ = ["Feed", "FeedItem", "KeepAlive", "OperatorApi", "OutputPart", "Resync"]

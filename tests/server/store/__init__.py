"""The stores, all by the same tests."""

from __future__ import annotations

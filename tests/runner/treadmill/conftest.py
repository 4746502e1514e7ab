"""A switchboard's double for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runner.treadmill.switchboard import Switchboard, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def switchboard() -> AsyncIterator[Switchboard]:
    async with serving(Switchboard()) as made:
        yield made

"""Loading what is out of date, one thing at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.console.screens.seeing import console
from tests.console.screens.world import World
from traffic_tui.screens.catch_up import CatchUp

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def test_what_the_operator_changes_during_a_load_is_loaded_at_once_after_it() -> None:
    """Not after the pause that a load of the clock's own is followed by."""
    begun: list[Coroutine[object, object, None]] = []
    loads: list[asyncio.Event] = []

    async def reload() -> None:
        loads.append(asyncio.Event())
        await loads[-1].wait()

    async with console(World()) as seat:
        desk = seat.app.desk
        catch_up = CatchUp(desk, begun.append, reload=reload, failed=lambda words: None)
        catch_up.step()
        first = asyncio.create_task(begun[0])
        await seat.until(lambda: loads)
        catch_up.hurry()
        catch_up.step()
        assert len(begun) == 1
        loads[0].set()
        await first
        catch_up.step()
        assert len(begun) == 2
        second = asyncio.create_task(begun[1])
        await seat.until(lambda: len(loads) == 2)
        loads[1].set()
        await second
        catch_up.is_outdated = True
        catch_up.step()
        assert len(begun) == 2

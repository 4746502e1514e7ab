"""Every form of client has the calls of the seam, with the same parameters."""

from __future__ import annotations

import inspect

import pytest

from tests.console.screens.world import World as MadeUpCoordinator
from traffic_tui.client.base import Client
from traffic_tui.client.embedded import EmbeddedClient
from traffic_tui.client.http import HttpClient

CALLS = [
    name
    for name, member in vars(Client).items()
    if inspect.isfunction(member) and not name.startswith("_")
]
MADE_UP_CALLS = [name for name in CALLS if hasattr(MadeUpCoordinator, name)]


def parameters(call: object) -> list[tuple[str, object, object]]:
    assert callable(call)
    signature = inspect.signature(call)
    return [(p.name, p.kind, p.default) for p in signature.parameters.values()]


@pytest.mark.parametrize("form", [HttpClient, EmbeddedClient])
@pytest.mark.parametrize("name", CALLS)
def test_calls_are_those_of_the_seam(form: type, name: str) -> None:
    assert parameters(getattr(form, name)) == parameters(getattr(Client, name))


@pytest.mark.parametrize("name", MADE_UP_CALLS)
def test_the_coordinator_that_screens_are_tested_on_keeps_to_the_seam(name: str) -> None:
    assert parameters(getattr(MadeUpCoordinator, name)) == parameters(getattr(Client, name))


def test_the_seam_was_looked_at() -> None:
    assert {"submit", "follow", "revoke_key"} <= set(CALLS)
    assert {"jobs", "follow", "stop", "runners", "queues", "events"} <= set(MADE_UP_CALLS)

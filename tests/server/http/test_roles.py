"""Every route with every role: what the table of roles says, and nothing else."""

from __future__ import annotations

import pytest

from server.http.operator_routes import ROUTES
from server.model import ROLES, Role
from server.roles import allows
from tests.server.http.world import served

PLACEHOLDERS = {
    "{job}": "424242",
    "{runner}": "nobody",
    "{queue}": "none",
    "{name}": "none",
    "{schedule}": "none",
}


def concrete(path: str) -> str:
    for name, value in PLACEHOLDERS.items():
        path = path.replace(name, value)
    return path


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_may_do_what_the_table_says(role: Role) -> None:
    async with served() as world:
        for route in ROUTES:
            answer = await world.call(route.method, concrete(route.path), role=role)
            assert route.power is not None
            is_let_in = answer.status_code != 403
            assert is_let_in == allows(role, route.power), (route.method, route.path, answer.text)


async def test_without_a_good_key_nothing_is_done() -> None:
    async with served() as world:
        for route in ROUTES:
            path = concrete(route.path)
            assert (await world.call(route.method, path, role=None)).status_code == 401
        wrong = {"Authorization": "Bearer wrong"}
        statuses = {
            (await world.call("GET", "/stats", role=None, headers=wrong)).status_code
            for _ in range(40)
        }
        assert statuses == {401, 429}
        await world.good("GET", "/jobs", role="admin")  # others of this address are let in


async def test_mutations_need_more_than_reading() -> None:
    readers = [route for route in ROUTES if route.is_mutation and route.power in ("read", None)]
    assert readers == []
    assert [route for route in ROUTES if not route.is_mutation and route.power == "operate"] == []

"""What each role of a key may do: the one table that every surface asks.

A role is a bundle of powers; a route names the one power it needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from server.errors import Forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.model import Role

Power: TypeAlias = Literal["submit", "run", "read_own", "read", "operate", "keys"]

POWERS: Mapping[Role, frozenset[Power]] = {
    "submit": frozenset({"submit", "read_own"}),
    "runner": frozenset({"run"}),
    "read-only": frozenset({"read_own", "read"}),
    "operator": frozenset({"read_own", "read", "submit", "operate"}),
    "admin": frozenset({"read_own", "read", "submit", "operate", "run", "keys"}),
}
"""Role -> powers:

- ``submit``: hand in jobs.
- ``run``: the calls of a runner.
- ``read_own``: see jobs and their output; without ``read``, only those the key submitted.
- ``read``: see everything.
- ``operate``: change jobs, runners and queues.
- ``keys``: list, make and revoke keys.
"""

RANK: Mapping[Role, int] = {"submit": 0, "runner": 1, "read-only": 2, "operator": 3, "admin": 4}
"""Which role counts when one secret was given for several."""


def allows(role: Role, power: Power) -> bool:
    return power in POWERS[role]


def require(role: Role, power: Power) -> None:
    """Raise Forbidden, naming the roles that would do, unless the role has the power."""
    if not allows(role, power):
        able = ", ".join(name for name, powers in POWERS.items() if power in powers)
        raise Forbidden(f"a key with the role {role} may not do this; it takes one of: {able}")


def sees_only_own(role: Role) -> bool:
    """Whether jobs of other owners are hidden from it."""
    return "read" not in POWERS[role]

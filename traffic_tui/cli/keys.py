"""``traffic-tui keys``: who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from server.model import Role  # noqa: TC001 (Typer reads annotations)
from traffic_tui.cli.command import Call, group, talking
from traffic_tui.cli.failures import WrongUsage
from traffic_tui.cli.options import ReasonOption  # noqa: TC001 (Typer reads annotations)

if TYPE_CHECKING:
    from server.wire.operator import CreatedKeyView

app = group("Create, list and revoke keys.", "keys list")


@talking(
    app,
    "create",
    "keys create --name ci-main --role submit --expires 90d",
    "keys create --name lab-07 --role runner > lab-07.key",
    role="admin",
)
async def create(
    call: Call,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Stands in the audit log.")],
    role: Annotated[Role, typer.Option("--role", help="What it may do.")],
    expires: Annotated[
        str, typer.Option("--expires", metavar="T", help="Good until: 90d, 2030-01-31.")
    ] = "",
    reason: ReasonOption = "",
) -> None:
    """Make a key. Its secret is printed once, here, and kept nowhere."""
    if call.printer.format == "name":
        raise WrongUsage("with -o name nobody would ever see the secret; leave it out, or -o json")
    from server.clock import SystemClock
    from server.wire.operator import KeyRequest
    from traffic_tui.cli.typed import moment_of

    now = SystemClock().now_ms()
    until = moment_of(expires, now, "--expires", is_past=False) if expires else 0
    request = KeyRequest(name=name, role=role, expires_at=until, reason=reason)
    print_created(call, await call.client.create_key(request))


def print_created(call: Call, created: CreatedKeyView) -> None:
    """The secret alone on stdout, so that it can go straight into a file."""
    if call.printer.is_json:
        call.printer.document(created)
    else:
        call.printer.say(f"key {created.key.name} ({created.key.role}); it is shown only now")
        call.printer.line(created.secret)


@talking(app, "list", "keys list", role="admin")
async def list_keys(call: Call) -> None:
    """List keys; secrets are not among what is known of them."""
    from traffic_tui.cli.fleet_tables import KEY_COLUMNS

    view = await call.client.keys()
    call.printer.table(view, view.keys, KEY_COLUMNS, lambda key: key.name)


@talking(app, "revoke", "keys revoke ci-main", role="admin")
async def revoke(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which key.")],
    reason: ReasonOption = "",
) -> None:
    """Take a key away: it is refused from now on."""
    await call.client.revoke_key(name, reason=reason)
    if call.printer.is_json:
        call.printer.document({"revoked": name})
    elif call.printer.format == "name":
        call.printer.names([name])
    else:
        call.printer.line(f"revoked: {name}")

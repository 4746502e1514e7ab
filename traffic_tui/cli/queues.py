"""``traffic-tui queues``: the lines in which jobs wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from traffic_tui.cli import completion
from traffic_tui.cli.command import Call, group, talking
from traffic_tui.cli.options import ReasonOption  # noqa: TC001 (Typer reads annotations)

if TYPE_CHECKING:
    from server.wire.operator import QueueView

app = group("List, pause, resume and limit queues.", "queues list")

QueueArgument: TypeAlias = Annotated[
    str, typer.Argument(metavar="QUEUE", help="Its name.", autocompletion=completion.queues)
]


@talking(app, "list", "queues list")
async def list_queues(call: Call) -> None:
    """List queues: what waits, what runs, what is paused and by whom."""
    from traffic_tui.cli.fleet_tables import QUEUE_COLUMNS

    view = await call.client.queues()
    call.printer.table(view, view.queues, QUEUE_COLUMNS, lambda queue: queue.name)


@talking(app, "pause", "queues pause gpu --reason 'driver update'")
async def pause(call: Call, queue: QueueArgument, reason: ReasonOption = "") -> None:
    """Start nothing more from a queue; what runs goes on."""
    print_queue(call, await call.client.pause_queue(queue, reason=reason))


@talking(app, "resume", "queues resume gpu")
async def resume(call: Call, queue: QueueArgument, reason: ReasonOption = "") -> None:
    """Start jobs from a queue again."""
    print_queue(call, await call.client.resume_queue(queue, reason=reason))


@talking(app, "limit", "queues limit gpu 4", "queues limit gpu none")
async def limit(
    call: Call,
    queue: QueueArgument,
    number: Annotated[
        str, typer.Argument(metavar="N|none", help="How many may run at once; none: no limit.")
    ],
    reason: ReasonOption = "",
) -> None:
    """Limit how many jobs of a queue run at once."""
    from traffic_tui.cli.typed import limit_of

    wanted = limit_of(number)
    print_queue(call, await call.client.limit_queue(queue, wanted, reason=reason))


def print_queue(call: Call, queue: QueueView) -> None:
    """One queue in the wanted form."""
    from server.wire.operator import OneQueueView
    from traffic_tui.cli.fleet_tables import queue_facts

    facts = queue_facts(queue, call.printer.look())
    call.printer.facts(OneQueueView(queue=queue), facts, queue.name)

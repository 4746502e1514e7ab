"""The options of everything that submits a job, and what happens after the submit."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, ParamSpec, TypeAlias

import typer

from traffic_tui.cli import completion
from traffic_tui.cli.command import Call, parameters_of, talking
from traffic_tui.cli.failures import WrongUsage
from traffic_tui.cli.options import ReasonOption

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.model import RangePolicy
    from server.wire.operator import SubmitRequest, SubmittedView

P = ParamSpec("P")


class Order(NamedTuple):
    """What a command wants to have done: a job type and its parameters as JSON."""

    type: str
    params: bytes
    range: tuple[int, int] | None = None
    """A stretch of a cursor to be done in pieces, ends included."""
    range_policy: RangePolicy = "all"


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """How and when the job is to run, and whether to stay with it."""

    queue: str
    priority: int
    require: list[str]
    run_at: str
    timeout: str
    max_attempts: int | None
    cache_key: str | None
    unique_key: str | None
    unique_for: str
    trace_parent: str
    correlation: list[str]
    idempotency_key: str | None
    reason: str
    wait: bool
    follow: bool


ParamsOption: TypeAlias = Annotated[
    str | None, typer.Option("--params", metavar="JSON", help="Its parameters.")
]
ParamsFileOption: TypeAlias = Annotated[
    str | None, typer.Option("--params-file", metavar="FILE", help="Or a file of them; -: stdin.")
]
QueueOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--queue", "-q", metavar="QUEUE", help="Its line.", autocompletion=completion.queues
    ),
]
PriorityOption: TypeAlias = Annotated[
    int,
    typer.Option("--priority", metavar="N", help="The higher goes first.", min=-(10**6), max=10**6),
]
RequireOption: TypeAlias = Annotated[
    list[str],
    typer.Option("--require", metavar="LABEL=VALUE", help="A label the runner must have."),
]
RunAtOption: TypeAlias = Annotated[
    str, typer.Option("--run-at", metavar="TIME", help="Not before: 10m, 14:05, 2030-01-31T14:05.")
]
TimeoutOption: TypeAlias = Annotated[
    str, typer.Option("--timeout", metavar="T", help="Longest a try may take: 90s, 10m.")
]
MaxAttemptsOption: TypeAlias = Annotated[
    int | None, typer.Option("--max-attempts", metavar="N", help="Tries in all.", min=1, max=1000)
]
CacheKeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--cache-key", metavar="KEY", help="Take the job this key has, if any."),
]
UniqueKeyOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--unique-key", metavar="KEY", help="As --cache-key, but it ends by itself."),
]
UniqueForOption: TypeAlias = Annotated[
    str, typer.Option("--unique-for", metavar="T", help="How long --unique-key holds; else 6h.")
]
TraceParentOption: TypeAlias = Annotated[
    str,
    typer.Option(
        "--trace-parent",
        metavar="TRACEPARENT",
        help="W3C trace the job belongs to; goes to the runner.",
    ),
]
CorrelationOption: TypeAlias = Annotated[
    list[str],
    typer.Option("--correlation", metavar="NAME=VALUE", help="Goes to the runner with the job."),
]
IdempotencyOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--idempotency-key", metavar="KEY", help="Safe to repeat: the same job comes."),
]
WaitOption: TypeAlias = Annotated[
    bool, typer.Option("--wait", "-w", help="Wait for its end; exit by outcome.")
]
FollowOption: TypeAlias = Annotated[
    bool, typer.Option("--follow", "-f", help="Show its output, then as --wait.")
]

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "queue": (QueueOption, "default"),
    "priority": (PriorityOption, 0),
    "require": (RequireOption, []),
    "run_at": (RunAtOption, ""),
    "timeout": (TimeoutOption, ""),
    "max_attempts": (MaxAttemptsOption, None),
    "cache_key": (CacheKeyOption, None),
    "unique_key": (UniqueKeyOption, None),
    "unique_for": (UniqueForOption, ""),
    "trace_parent": (TraceParentOption, ""),
    "correlation": (CorrelationOption, []),
    "idempotency_key": (IdempotencyOption, None),
    "reason": (ReasonOption, ""),
    "wait": (WaitOption, False),
    "follow": (FollowOption, False),
}


def submitting(
    app: typer.Typer, name: str, *examples: str, **settings: Any
) -> Callable[[Callable[P, Order]], Callable[P, Order]]:
    """Declare a command whose body says what to submit; the rest is the same for all."""

    def declare(body: Callable[P, Order]) -> Callable[P, Order]:
        async def submit(call: Call, /, **given: Any) -> None:
            options = SubmitOptions(**{each: given.pop(each) for each in _OPTIONS})
            await submit_order(call, body(**given), options)  # type: ignore[call-arg]

        _take_shape(submit, body)
        talking(app, name, *examples, **settings)(submit)
        return body

    return declare


def _take_shape(submit: Any, body: Callable[..., Any]) -> None:
    shared = [
        inspect.Parameter(
            each, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
        )
        for each, (annotation, default) in _OPTIONS.items()
    ]
    call = inspect.Parameter("call", inspect.Parameter.KEYWORD_ONLY, annotation=Call)
    submit.__name__ = body.__name__
    submit.__doc__ = body.__doc__
    submit.__module__ = body.__module__
    submit.__signature__ = inspect.Signature([call, *parameters_of(body), *shared])


def submit_request(order: Order, options: SubmitOptions, now_ms: int) -> SubmitRequest:
    """The message for one order. Pure; what was typed wrongly is told as wrong usage."""
    import msgspec

    from server.wire.operator import SubmitRequest
    from traffic_tui.cli.typed import assignments_of, duration_of, moment_of, pairs_of

    fields: dict[str, Any] = {
        "type": order.type,
        "params": msgspec.Raw(order.params),
        "queue": options.queue,
        "priority": options.priority,
        "requires": pairs_of(options.require, "--require"),
        "max_attempts": options.max_attempts,
        "cache_key": options.cache_key,
        "unique_key": options.unique_key,
        "range": order.range,
        "range_policy": order.range_policy,
        "reason": options.reason,
        "correlation": assignments_of(options.correlation, "--correlation", "correlation") or None,
    }
    if options.trace_parent:
        fields["trace_context"] = {"traceparent": options.trace_parent}
    if options.unique_for:
        fields["unique_ttl_seconds"] = duration_of(options.unique_for, "--unique-for")
    if options.run_at:
        fields["run_at"] = moment_of(options.run_at, now_ms, "--run-at", is_past=False)
    if options.timeout:
        fields["timeout_seconds"] = duration_of(options.timeout, "--timeout")
    return SubmitRequest(**fields)


def refuse_empty_keys(options: SubmitOptions) -> None:
    """An empty key is a variable that a script forgot to set: without it, jobs would be doubled.

    Raises:
        WrongUsage: one of the keys was given, and is empty.
    """
    keys = {
        "--idempotency-key": options.idempotency_key,
        "--cache-key": options.cache_key,
        "--unique-key": options.unique_key,
    }
    for name, key in keys.items():
        if key == "":
            raise WrongUsage(f"{name} is empty; leave it out where none is meant")


async def submit_order(call: Call, order: Order, options: SubmitOptions) -> None:
    """Submit, and stay with the job where that was asked for."""
    from server.clock import SystemClock

    if call.connection.is_workernator:
        from traffic_tui.cli import workernator

        await workernator.start(call, order, options)
        return
    refuse_empty_keys(options)
    request = submit_request(order, options, SystemClock().now_ms())
    key = options.idempotency_key or ""
    [submitted] = await call.client.submit([request], idempotency_key=key)
    if options.follow or options.wait:
        await _stay_with(call, submitted, options)
    else:
        _print_submitted(call, order, submitted)


def _print_submitted(call: Call, order: Order, submitted: SubmittedView) -> None:
    from server.wire.operator import OneSubmittedView
    from traffic_tui.cli.job_tables import SUBMITTED_COLUMNS, job_name

    document = OneSubmittedView(job=submitted)
    call.printer.table(document, [submitted], SUBMITTED_COLUMNS, job_name)
    _say_note(call, submitted)
    if call.printer.is_terminal and call.printer.format == "table":
        number = submitted.number
        call.printer.say(f"{order.type}: jobs status {number}, jobs tail {number} -f")


def _say_note(call: Call, submitted: SubmittedView) -> None:
    """What the coordinator has to add, beside what a script reads."""
    if submitted.note and not call.printer.is_json:
        call.printer.say(submitted.note)


async def _stay_with(call: Call, submitted: SubmittedView, options: SubmitOptions) -> None:
    """Show the output if wanted, then the outcome; the exit code says which it was."""
    from traffic_tui.cli.waiting import exit_by_outcome, wait_for_jobs

    call.printer.say(f"job {submitted.number} {submitted.state}")
    _say_note(call, submitted)
    if options.follow:
        from traffic_tui.cli.tailing import TailWish, tail_job

        await tail_job(call, submitted.id, TailWish(is_followed=True))
    exit_by_outcome(await wait_for_jobs(call, [submitted.id], timeout_seconds=None))

"""The job types that every agent can do, and ``command`` for those that may."""

from __future__ import annotations

from typing import TYPE_CHECKING

from traffic_tui.runner.jobs import evaluate, fibonacci, noop, wait
from traffic_tui.runner.jobs.command import COMMAND, Commands
from traffic_tui.runner.registry import Registry

if TYPE_CHECKING:
    from traffic_tui.runner.processes import ProcessGroups
    from traffic_tui.runner.sandbox.sandbox import Sandbox

__all__ = ["COMMAND", "built_in"]


def built_in(
    groups: ProcessGroups, *, allow_command: bool, sandbox: Sandbox | None = None
) -> Registry:
    """A registry of the built-in types, whose processes are started in ``groups``."""
    registry = Registry()
    registry.register("noop", noop.run, check=noop.check)
    registry.register("fib", fibonacci.Fibonacci(groups, sandbox).run, check=fibonacci.check)
    registry.register("eval", evaluate.run, check=evaluate.check)
    registry.register("wait", wait.run, check=wait.check)
    if allow_command:
        commands = Commands(groups, sandbox)
        registry.register(COMMAND, commands.run, check=commands.check)
    return registry

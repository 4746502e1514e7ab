"""What of the box a command has in a room of its own, and why it cannot have more."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from traffic_tui.runner.jobs.command_line import environment, find_program
from traffic_tui.runner.sandbox.sandbox import Asked
from traffic_tui.runner.sandbox.view import TEMPORARY, is_private, visible
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from traffic_tui.runner.jobs.command_line import CommandLine
    from traffic_tui.runner.sandbox.sandbox import Sandbox

OURS_TO_CHOOSE = "TMPDIR"
"""A variable that names a folder of the host; in a room it is the room's own."""


def ask(command: CommandLine, sandbox: Sandbox) -> tuple[CommandLine, Asked]:
    """The command as it is run in the room, and what it is to see there.

    Raises:
        ValueError: in words, where that cannot be.
    """
    env = environment(command)
    if OURS_TO_CHOOSE in env and OURS_TO_CHOOSE not in command.env:
        env[OURS_TO_CHOOSE] = TEMPORARY
    command = replace(command, cwd=_working_folder(command, sandbox))
    share = _shared_folder(command.cwd, sandbox)
    given = (*sandbox.options.show, *sandbox.options.share, *share)
    program = find_program(command, lambda folder: visible(folder, given))
    return command, Asked(env, _program_file(program, given, sandbox), share)


def _working_folder(command: CommandLine, sandbox: Sandbox) -> str | None:
    """The folder by the one name under which it is judged, shared and entered.

    By another, such as that of a link, a folder that is only shown could be shared.
    """
    if command.cwd is None:
        return None
    cwd = f"/{os.path.normpath(Path(command.cwd).absolute()).lstrip('/')}"
    if cwd == TEMPORARY or _is_seen(cwd, sandbox):
        return cwd
    return str(Path(cwd).resolve())


def _shared_folder(cwd: str | None, sandbox: Sandbox) -> tuple[str, ...]:
    """A folder that is to be shared because the command is to run in it."""
    if cwd is None or cwd == TEMPORARY or _is_seen(cwd, sandbox):
        return ()
    _refuse_private(cwd, "cwd", "share", sandbox)
    return (cwd,)


def _is_seen(cwd: str, sandbox: Sandbox) -> bool:
    return visible(cwd, (*sandbox.options.show, *sandbox.options.share))


def _program_file(program: str, given: tuple[str, ...], sandbox: Sandbox) -> dict[str, str]:
    """The program itself, where it is named by its path and lies where nothing else is seen:
    path -> real path."""
    real = str(Path(program).resolve())
    unseen = {path: real for path in (program, real) if not visible(path, given)}
    if unseen:
        _refuse_private(real, "the program", "show", sandbox)
    return unseen


def _refuse_private(path: str, what: str, key: str, sandbox: Sandbox) -> None:
    """In "auto" a job has what it names, but never homes, settings or what is the agent's.

    ``path`` is a real one, and what is put in place is what it says here.
    """
    if is_private(path, sandbox.private) or sandbox.options.isolation == "require":
        raise ValueError(
            f"{what} is not seen by isolated commands: {plain(path)}; name its folder in "
            f"agent.{key} of this runner's configuration"
        )

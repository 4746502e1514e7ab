"""What a ``command`` job asks for, looked at before anything starts."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traffic_tui.runner.jobs.parameters import known
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_WORDS = 10_000
MAX_BYTES = 100_000
"""Of all arguments and of the environment, each; systems take about that much."""
OURS = "TRAFFIC_"
"""Variables of the agent that begin so hold its own keys and are not passed on."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    argv: tuple[str, ...]
    env: Mapping[str, str]
    """Added to the agent's own environment."""
    cwd: str | None
    stdin: bytes | None
    limits: Any = None
    """As asked for, not looked at yet."""


def read_command(params: object) -> CommandLine:
    """The command in a job's parameters. Raises ValueError in words."""
    given = known(params, ("argv", "env", "cwd", "limits", "stdin"))
    env = _env(given.get("env"))
    cwd = _cwd(given.get("cwd"))
    argv = _argv(given.get("argv"))
    return CommandLine(argv, env, cwd, _stdin(given.get("stdin")), given.get("limits"))


def environment(command: CommandLine) -> dict[str, str]:
    """The whole environment of the child, without the agent's secrets."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**inherited, **command.env}


def find_program(command: CommandLine, is_seen: Callable[[str], bool] = lambda path: True) -> str:
    """Where the program is that the child will find; a name with a slash counts from ``cwd``.

    Raises:
        ValueError: it is not there, or only where the child does not see it.
    """
    program = command.argv[0]
    if "/" in program:
        path = os.path.normpath(Path(command.cwd or ".").absolute() / program)
        if os.access(path, os.X_OK) and Path(path).is_file():
            return path
        raise ValueError(f"there is no program {plain(program, 100)!r} on this box")
    path = command.env.get("PATH", os.environ.get("PATH", os.defpath))
    seen = [folder for folder in path.split(os.pathsep) if is_seen(folder)]
    found = shutil.which(program, path=os.pathsep.join(seen))
    if found is not None:
        return found
    where = (
        "on this box"
        if shutil.which(program, path=path) is None
        else ("that isolated commands can see: name its folder in agent.show of the configuration")
    )
    raise ValueError(f"there is no program {plain(program, 100)!r} {where}")


def _argv(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError('argv is needed: a list of words, such as ["make", "test"]')
    for index, word in enumerate(value):
        _check_text(word, f"argv[{index}]")
    if not value[0]:
        raise ValueError("argv[0] is empty; it names the program")
    if len(value) > MAX_WORDS or sum(len(os.fsencode(word)) for word in value) > MAX_BYTES:
        raise ValueError(f"argv is too long: {MAX_WORDS} words and {MAX_BYTES} bytes are taken")
    return tuple(value)


def _env(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError('env is no object; it looks like {"NAME": "value"}')
    for name, text in value.items():
        _check_text(name, "a name in env")
        if not name or "=" in name:
            raise ValueError(f"{plain(name, 60)!r} cannot be the name of a variable")
        _check_text(text, f"env[{plain(name, 60)}]")
    if sum(len(os.fsencode(name + text)) for name, text in value.items()) > MAX_BYTES:
        raise ValueError(f"env has more than {MAX_BYTES} bytes")
    return value


def _cwd(value: Any) -> str | None:
    if value is None:
        return None
    _check_text(value, "cwd")
    if not Path(value).is_dir():
        raise ValueError(f"cwd is no folder on this box: {plain(value)}")
    return str(value)


def _stdin(value: Any) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("stdin is no text")
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("stdin holds characters that cannot be written") from None


def _check_text(value: object, what: str) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{what} is no text")
    if "\0" in value:
        raise ValueError(f"{what} holds a zero byte")
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        raise ValueError(f"{what} holds characters that cannot be passed on") from None

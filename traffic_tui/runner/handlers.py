"""Finding a person's own handlers: ``module:registry``. Everything wrong is told in words."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

from traffic_tui.runner.errors import RunnerError, WrongOptions
from traffic_tui.runner.registry import Registry
from traffic_tui.runner.words import plain


def load_handlers(place: str) -> Registry:
    """The registry at ``module:registry``, looked for in the working folder too.

    Raises:
        RunnerError: there is none; the text says what is wrong, and where.
    """
    module_name, separator, attribute = place.partition(":")
    if not separator or not module_name or not attribute:
        raise WrongOptions(
            f"{plain(place)!r} names no handlers; it looks like module:registry, "
            "for example myjobs:registry"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    value = _attribute(_import(module_name), attribute, place)
    if not isinstance(value, Registry):
        kind = type(value).__name__
        raise RunnerError(f"{place} is a {kind}, a traffic_tui.runner.Registry is needed")
    if not len(value):
        raise RunnerError(f"{place} is a registry without any handler")
    return value


def _import(name: str) -> object:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == name or (error.name and name.startswith(f"{error.name}.")):
            raise RunnerError(
                f"there is no module {plain(name)!r}; it is looked for in the working folder and "
                "where Python's packages are"
            ) from None
        raise RunnerError(f"{plain(name)} needs {error.name}, which is not installed") from None
    except (Exception, SystemExit) as error:  # a person's module: it may do anything
        raise RunnerError(f"{plain(name)} cannot be imported: {_where(error)}") from error


def _where(error: BaseException) -> str:
    """What was raised, and at which line of whose file."""
    frames = traceback.extract_tb(error.__traceback__)
    told = f"{type(error).__name__}: {plain(error)}"
    if isinstance(error, SyntaxError):
        return f"{plain(error)} in {error.filename}, line {error.lineno}"
    return f"{told} in {frames[-1].filename}, line {frames[-1].lineno}" if frames else told


def _attribute(module: object, path: str, place: str) -> object:
    value = module
    for name in path.split("."):
        if not hasattr(value, name):
            raise RunnerError(f"{place}: there is no {plain(name)!r} in it")
        value = getattr(value, name)
    return value

"""Treadmill images that this box's configuration names: each is a job type, a folder or a command.

They become entries of the registry, called after their digest, so that whoever orders an image
needs to know nothing of how it is done.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from traffic_tui.runner.errors import JobError, RunnerError
from traffic_tui.runner.jobs.command import COMMAND, Commands
from traffic_tui.runner.registry import Entry
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from server.settings import ImageSettings
    from traffic_tui.runner.registry import Registry
    from traffic_tui.runner.request import ExecutionRequest

START_PROGRAM = "./start"
"""What is run of an image that is a folder, and names no command."""
IMAGE_VARIABLE = "TML_IMAGE_ID"
PARAMETER_PREFIX = "TML_PARAM_"
MAX_VARIABLES_BYTES = 100_000
_VARIABLE = re.compile(r"[A-Za-z0-9_]+")


def image_type(image_id: str) -> str:
    """What the registry calls an image's handler."""
    return f"image:{image_id.lower()}"


def add_images(
    registry: Registry,
    images: Mapping[str, ImageSettings],
    commands: Commands,
    built_in_types: Collection[str],
) -> None:
    """Register every image that the configuration names.

    Args:
        built_in_types: those that take an image's parameters as their own.

    Raises:
        RunnerError: an image names a type of which there is no handler.
    """
    for image_id, image in images.items():
        mapped = _mapped(registry, image_id, image, commands, built_in_types)
        registry.register(image_type(image_id), mapped.run, check=mapped.check)


class MappedImage:
    """An image whose work another handler does, with parameters as that one takes them."""

    def __init__(self, entry: Entry, adapted: Callable[[Any], Any]) -> None:
        self._entry = entry
        self._adapted = adapted

    def check(self, params: Any) -> None:
        """Raises ValueError or JobError in words."""
        adapted = self._adapted(params)
        if self._entry.check is not None:
            self._entry.check(adapted)

    async def run(self, request: ExecutionRequest) -> Any:
        params = self._adapted(request.params)
        return await self._entry.handler(
            replace(request, function_name=self._entry.name, params=params)
        )


def _mapped(
    registry: Registry,
    image_id: str,
    image: ImageSettings,
    commands: Commands,
    built_in_types: Collection[str],
) -> MappedImage:
    if not image.type:
        entry = Entry(COMMAND, commands.run, commands.check)
        return MappedImage(entry, lambda params: command_params(image, params))
    wanted = registry.get(image.type)
    if wanted is None:
        known = ", ".join(registry.names)
        raise RunnerError(
            f"agent.images: there is no handler for {plain(image.type, 60)!r}, which image "
            f"{image_id[:12]}... names; there are: {known}"
        )
    return MappedImage(wanted, _own_params if image.type in built_in_types else _as_they_are)


def command_params(image: ImageSettings, params: Any) -> dict[str, Any]:
    """Parameters of the ``command`` that an image is: parameters reach it as variables, and
    everything as JSON on its standard input.

    Raises:
        JobError: they are more than a process can be given.
    """
    values = _values(params)
    env = {
        f"{PARAMETER_PREFIX}{name}": value
        for name, value in values.items()
        if _VARIABLE.fullmatch(name) and "\0" not in value
    }
    if sum(len(name) + len(value.encode()) for name, value in env.items()) > MAX_VARIABLES_BYTES:
        words = f"the parameters have more than {MAX_VARIABLES_BYTES} bytes"
        raise JobError("not_compatible", words)
    told = {**params, "parameters": values}
    command: dict[str, Any] = {
        "argv": list(image.command) or [START_PROGRAM],
        "env": {**env, IMAGE_VARIABLE: params.get("image_id", "")},
        "stdin": json.dumps(told, ensure_ascii=False),
    }
    if image.folder:
        command["cwd"] = image.folder
    return command


def _own_params(params: Any) -> dict[str, Any]:
    """An image's parameters as those of a built-in type; values that are JSON are read as such."""
    return {name: _read(value) for name, value in _values(params).items()}


def _as_they_are(params: Any) -> Any:
    return params


def _values(params: Any) -> dict[str, str]:
    """The values alone, as plain texts: secrets are of a kind that no process can be given."""
    return {name: str(told["value"]) for name, told in params.get("parameters", {}).items()}


def _read(value: str) -> Any:
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value

"""Where a configuration is looked for: the flag, the variable, the user's folder, the system's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

VARIABLE = "TRAFFIC_TUI_CONFIG"
APPLICATION = "traffic-tui"
FILE_NAME = "config.toml"


class ConfigurationMissing(Exception):
    """A file was named, but there is none."""


def find_configuration(given: Path | None, environment: Mapping[str, str]) -> Path | None:
    """The file to read, or None: everything is at its default.

    Raises:
        ConfigurationMissing: the flag or the variable names a file that is not there. Falling
            back to another one would run with settings nobody asked for.
    """
    if given is not None:
        return _named(given, "--config")
    if variable := environment.get(VARIABLE):
        return _named(Path(variable).expanduser(), VARIABLE)
    return next((path for path in default_locations() if path.is_file()), None)


def default_locations() -> Iterator[Path]:
    """The files that are read where nobody names one, the first that exists winning."""
    yield Path(platformdirs.user_config_dir(APPLICATION)) / FILE_NAME
    for folder in platformdirs.site_config_dir(APPLICATION, multipath=True).split(":"):
        yield Path(folder) / FILE_NAME


def _named(path: Path, by: str) -> Path:
    if not path.is_file():
        raise ConfigurationMissing(
            f"{by} names {path}, but there is no such file; "
            "start from example-config.toml, or leave it out to run with the defaults"
        )
    return path

"""From flags, file and defaults to what a coordinator is started with."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from traffic_tui.cli.failures import CommandFailed

if TYPE_CHECKING:
    from pathlib import Path

    from server.settings import Settings


class StartFlags(NamedTuple):
    """What the command line says; None: it says nothing."""

    config: Path | None = None
    data_dir: Path | None = None
    host: str | None = None
    port: int | None = None

    def over(self, settings: Settings) -> Settings:
        """Settings with the flags put over them."""
        server = settings.server
        if self.host is not None:
            server = replace(server, host=self.host)
        if self.port is not None:
            server = replace(server, port=self.port)
        if self.data_dir is not None:
            server = replace(server, data_dir=self.data_dir)
        return replace(settings, server=server)


class Start(NamedTuple):
    """Everything that is known before a coordinator starts."""

    settings: Settings
    folder: Path
    configuration: Path | None


def read_start(flags: StartFlags) -> Start:
    """Find and read the configuration, and put the flags over it."""
    from server.configuration import (
        ConfigurationError,
        ConfigurationMissing,
        find_configuration,
        load_settings,
    )
    from server.folder import data_folder

    try:
        found = find_configuration(flags.config, os.environ)
        settings = flags.over(load_settings(found))
    except ConfigurationMissing as missing:
        raise CommandFailed(str(missing)) from missing
    except ConfigurationError as error:
        more = len(error.problems) - 1
        rest = f" (and {more} more; 'traffic-tui config check' lists all)" if more else ""
        raise CommandFailed(f"{error.problems[0]}{rest}") from error
    return Start(settings, data_folder(flags.data_dir, settings, os.environ), found)

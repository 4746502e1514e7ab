"""From a TOML file to :class:`server.settings.Settings`, or to everything that is wrong with it.

A configuration is written in a hurry on a box that has to run tonight, so all problems are told
at once, each with its place and what to write instead.
"""

from __future__ import annotations

from server.configuration.example import example_text, settings_text
from server.configuration.locations import ConfigurationMissing, find_configuration
from server.configuration.problems import ConfigurationError, Problem
from server.configuration.reading import load_settings, read_settings

__all__ = [
    "ConfigurationError",
    "ConfigurationMissing",
    "Problem",
    "example_text",
    "find_configuration",
    "load_settings",
    "read_settings",
    "settings_text",
]

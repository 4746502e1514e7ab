"""Which settings can change while the coordinator runs, and what a new configuration means."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from server.configuration.reading import setting_of, setting_paths, with_setting

if TYPE_CHECKING:
    from server.settings import Settings

CHANGEABLE = (
    "queues",
    "schedules",
    "keys.",
    "leases.",
    "retry.",
    "retention.",
    "storage.",
    "runners.",
)
"""Beginnings of settings that are looked up each time they are needed."""


def changed_settings(old: Settings, new: Settings) -> tuple[list[str], list[str]]:
    """Dotted names of what differs: what can be taken over now, and what takes a restart."""
    changed = [
        path for path in setting_paths(old) if setting_of(old, path) != setting_of(new, path)
    ]
    applied = [path for path in changed if path.startswith(CHANGEABLE)]
    return applied, [path for path in changed if path not in applied]


def merged_settings(old: Settings, new: Settings) -> Settings:
    """The old settings with what can be taken over of the new ones."""
    applied, _ = changed_settings(old, new)
    merged = replace(old)
    for path in applied:
        merged = with_setting(merged, path, setting_of(new, path))
    return merged

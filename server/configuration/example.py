"""Settings written as a configuration again, every key with its comment.

``example-config.toml`` is this text for the defaults, so it cannot fall behind them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from server.configuration.keys import KEYS, NOT_BUILT, QUEUE_KEYS, SECTIONS
from server.configuration.reading import setting_of
from server.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.configuration.keys import Key, Section

_COMMENT_COLUMN = 36
_WIDTH = 100
_HEAD = """\
# Configuration of the coordinator. Every key stands here with its default: keep what you change.
#
# Looked for in this order: --config FILE, the variable TRAFFIC_TUI_CONFIG, config.toml in your
# configuration folder, config.toml in the system's. `traffic-tui config check` tells what is wrong.
# Durations are numbers of seconds or words ("90s", "10m", "7d"), sizes bytes or words ("64MiB").
"""


def example_text() -> str:
    """The whole of ``example-config.toml``."""
    return settings_text(Settings(), head=_HEAD)


def settings_text(settings: Settings, *, head: str = "") -> str:
    """A configuration that reads as ``settings``. Holds names of secrets, never a secret."""
    blocks = [head] if head else []
    blocks.extend(
        "\n".join(_section_lines(section, settings)) + "\n"
        for section in SECTIONS
        if section.path == "queues" or _keys_of(section)
    )
    if head:
        blocks.append("\n".join(_not_built_lines()) + "\n")
    return "\n".join(blocks)


def _keys_of(section: Section) -> list[Key]:
    return [key for key in KEYS if key.path.rpartition(".")[0] == section.path]


def _section_lines(section: Section, settings: Settings) -> Iterator[str]:
    if section.path == "queues":
        yield from _queue_lines(section, settings)
        return
    yield from _header_lines(f"[{section.path}]", section.comment)
    for key in _keys_of(section):
        value = key.kind.write(setting_of(settings, key.setting))
        if key.path == "runners.labels":
            yield from _label_lines(key, value)
        else:
            yield from _key_lines(key.path.rpartition(".")[2], value, key.comment)


def _label_lines(key: Key, rules: list[dict[str, Any]]) -> Iterator[str]:
    """Rules as tables of their own. Without any, one that is commented out: an empty list would
    stand in the way of the first table somebody adds."""
    mark = "" if rules else "# "
    for rule in rules or [{"match": "10.3.12.*", "labels": {"rack": "r12"}}]:
        yield ""
        yield from _commented(f"{mark}[[{key.path}]]", key.comment)
        yield from (f"{mark}{name} = {toml_value(value)}" for name, value in rule.items())


def _queue_lines(section: Section, settings: Settings) -> Iterator[str]:
    for number, (name, queue) in enumerate(settings.queues.items()):
        if number:
            yield ""
        yield from _header_lines(f"[queues.{_name(name)}]", "" if number else section.comment)
        for key in QUEUE_KEYS:
            yield from _key_lines(
                key.path, key.kind.write(setting_of(queue, key.setting)), key.comment
            )


def _not_built_lines() -> Iterator[str]:
    yield "# Known, but not built in this version, and refused here:"
    for entry in NOT_BUILT:
        yield f"# {entry.path}"


def _header_lines(header: str, comment: str) -> Iterator[str]:
    yield from _commented(header, comment)


def _key_lines(name: str, value: Any, comment: str) -> Iterator[str]:
    yield from _commented(f"{name} = {toml_value(value)}", comment)


def _commented(statement: str, comment: str) -> Iterator[str]:
    """The comment beside the statement where it fits, else above it."""
    if not comment:
        yield statement
        return
    line = f"{statement:<{_COMMENT_COLUMN}} # {comment}"
    if len(line) <= _WIDTH:
        yield line
        return
    yield from _wrapped(comment)
    yield statement


def _wrapped(comment: str) -> Iterator[str]:
    line = "#"
    for word in comment.split():
        if len(line) + 1 + len(word) > _WIDTH:
            yield line
            line = "#"
        line += f" {word}"
    yield line


def _name(name: str) -> str:
    is_bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if is_bare else toml_value(name)


def toml_value(value: Any) -> str:
    """A value as TOML writes it. JSON's strings and numbers are TOML's too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_name(k)} = {toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(entry) for entry in value) + "]"
    return json.dumps(value, ensure_ascii=False)

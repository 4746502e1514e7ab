"""Settings written as a configuration again, every key with its comment.

``example-config.toml`` is this text for the defaults, so it cannot fall behind them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from server.configuration.keys import KEYS, NOT_BUILT, SECTIONS
from server.configuration.named_tables import NAMED_TABLES
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
        if _has_lines(section, settings, is_example=bool(head))
    )
    if head and NOT_BUILT:
        blocks.append("\n".join(_not_built_lines()) + "\n")
    return "\n".join(blocks)


def _has_lines(section: Section, settings: Settings, *, is_example: bool) -> bool:
    if section.path not in NAMED_TABLES:
        return bool(_keys_of(section))
    return is_example or bool(setting_of(settings, section.path))


def _keys_of(section: Section) -> list[Key]:
    return [key for key in KEYS if key.path.rpartition(".")[0] == section.path]


def _section_lines(section: Section, settings: Settings) -> Iterator[str]:
    if section.path in NAMED_TABLES:
        yield from _named_lines(section, settings)
        return
    yield from _header_lines(f"[{section.path}]", section.comment)
    for key in _keys_of(section):
        value = key.kind.write(setting_of(settings, key.setting))
        if key.sample is not None:
            yield from _table_lines(key, value)
        else:
            yield from _key_lines(key.path.rpartition(".")[2], value, key.comment)


def _table_lines(key: Key, written: list[dict[str, Any]] | dict[str, Any]) -> Iterator[str]:
    """A table, the entries of a list, or a sample that is commented out, as tables of their own."""
    is_list = isinstance(written, list)
    mark = "" if written else "# "
    header = f"{mark}[[{key.path}]]" if is_list else f"{mark}[{key.path}]"
    tables = written if isinstance(written, list) else [written]
    for table in tables if written else [dict(key.sample or {})]:
        yield ""
        yield from _commented(header, key.comment)
        yield from (f"{mark}{_name(name)} = {toml_value(value)}" for name, value in table.items())


def _named_lines(section: Section, settings: Settings) -> Iterator[str]:
    """Tables whose names people chose. Without any, one that is commented out."""
    named = NAMED_TABLES[section.path]
    tables = setting_of(settings, named.path)
    mark = "" if tables or named.example is None else "# "
    shown = tables or dict([named.example] if named.example else [])
    for number, (name, entries) in enumerate(shown.items()):
        if number:
            yield ""
        header = f"{mark}[{section.path}.{_name(name)}]"
        yield from _header_lines(header, "" if number else section.comment)
        for key in named.keys:
            value = key.kind.write(setting_of(entries, key.setting))
            yield from _key_lines(f"{mark}{key.path}", value, key.comment)


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

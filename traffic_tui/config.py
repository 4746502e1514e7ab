"""The console's own file, ``console.toml``: colours, keys, columns, saved filters, servers.

The coordinator never reads it. Defaults stand here and nowhere else; a key nobody knows is
refused by name, with the nearest known one.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from server.durations import parse_duration_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FILE_NAME = "console.toml"
Glyphs: TypeAlias = Literal["auto", "unicode", "ascii"]
Zone: TypeAlias = Literal["local", "utc"]
Place: TypeAlias = Literal["none", "test", "production"]
COLUMN_VIEWS = ("jobs", "runners", "queues", "schedules")


class ConfigError(Exception):
    """The console's file cannot be used; the message names file, key and what to do."""


@dataclass(frozen=True, slots=True)
class ServerEntry:
    """A coordinator the operator has a name for."""

    url: str
    place: Place = "none"
    """Colours the name in the header: production red, test green."""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """What the operator likes."""

    theme: str = "dark"
    glyphs: Glyphs = "auto"
    """"auto" looks at the locale and at TERM."""
    zone: Zone = "local"
    """Which time is shown; ``T`` swaps."""
    preview: bool = True
    """Whether the job under the cursor shows its output below the list, from 40 lines up."""
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Action id to keys."""
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """View (such as jobs or queues) to the columns shown; a view not named shows what fits."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """Saved filters: ``:jobs @NAME``."""
    late_after: Mapping[str, int] = field(default_factory=dict)
    """Queue to the milliseconds after which a job that waits in it is late; ``*``: of all others.
    Late jobs and their queues are marked."""
    servers: Mapping[str, ServerEntry] = field(default_factory=dict)

    def late_limit(self, queue: str) -> int | None:
        """Milliseconds that a job may wait in a queue; None: any time."""
        return self.late_after.get(queue, self.late_after.get("*"))


DEFAULT_CONFIG = ConsoleConfig()


def default_path() -> Path:
    """Where the file is looked for."""
    import platformdirs

    return Path(platformdirs.user_config_dir("traffic-tui")) / FILE_NAME


def theme_folder() -> Path:
    """Where the operator's own themes are."""
    return default_path().parent / "themes"


def load_config(path: Path | None = None) -> ConsoleConfig:
    """Read the file; a missing one gives the defaults, a wrong one :class:`ConfigError`."""
    path = path or default_path()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return DEFAULT_CONFIG
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        return parse_config(text)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_config(text: str) -> ConsoleConfig:
    """Decode TOML, strictly."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"not TOML: {error}") from None
    _refuse_unknown("", data, ConsoleConfig.__slots__)
    return ConsoleConfig(
        theme=_string(data, "theme", DEFAULT_CONFIG.theme),
        glyphs=_choice(data, "glyphs", DEFAULT_CONFIG.glyphs, get_args(Glyphs)),
        zone=_choice(data, "zone", DEFAULT_CONFIG.zone, get_args(Zone)),
        preview=_boolean(data, "preview", DEFAULT_CONFIG.preview),
        keys=_string_lists(data, "keys"),
        columns=_columns(data),
        filters={name: _string(_table(data, "filters"), name) for name in _table(data, "filters")},
        late_after={
            name: _duration(f"late_after.{name}", value)
            for name, value in _table(data, "late_after").items()
        },
        servers={name: _server(name, entry) for name, entry in _table(data, "servers").items()},
    )


def _columns(data: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    _refuse_unknown("columns.", _table(data, "columns"), COLUMN_VIEWS)
    return _string_lists(data, "columns")


def _server(name: str, entry: Any) -> ServerEntry:
    prefix = f"servers.{name}"
    if not isinstance(entry, dict):
        raise ConfigError(f"{prefix}: a table with url, place and read_only is wanted")
    _refuse_unknown(f"{prefix}.", entry, ServerEntry.__slots__)
    if not entry.get("url"):
        raise ConfigError(f"{prefix}.url: is missing")
    return ServerEntry(
        url=_string(entry, "url"),
        place=_choice(entry, "place", "none", get_args(Place)),
        read_only=_boolean(entry, "read_only", False),
    )


def _refuse_unknown(prefix: str, data: Mapping[str, Any], known: Iterable[str]) -> None:
    names = list(known)
    for key in data:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1)
            hint = f"; did you mean {prefix}{near[0]}?" if near else f"; known: {', '.join(names)}"
            raise ConfigError(f"{prefix}{key}: there is no such setting{hint}")


def _table(data: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, dict):
        raise ConfigError(f"{key}: a table is wanted")
    return value


def _string(data: Mapping[str, Any], key: str, default: str = "") -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise ConfigError(f"{key}: text is wanted, not {value!r}")
    return value


def _duration(name: str, value: Any) -> int:
    """Milliseconds, at least one."""
    milliseconds = parse_duration_ms(value) if isinstance(value, str) else None
    if not milliseconds:
        raise ConfigError(f'{name}: a duration such as "10m" is wanted, not {value!r}')
    return milliseconds


def _boolean(data: Mapping[str, Any], key: str, default: bool) -> bool:
    value = data.get(key, default)
    if not isinstance(value, bool):
        raise ConfigError(f"{key}: true or false is wanted, not {value!r}")
    return value


def _choice(data: Mapping[str, Any], key: str, default: Any, choices: tuple[str, ...]) -> Any:
    value = data.get(key, default)
    if value not in choices:
        raise ConfigError(f"{key}: one of {', '.join(choices)} is wanted, not {value!r}")
    return value


def _string_lists(data: Mapping[str, Any], key: str) -> dict[str, tuple[str, ...]]:
    return {name: _strings(f"{key}.{name}", value) for name, value in _table(data, key).items()}


def _strings(name: str, value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise ConfigError(f"{name}: text or a list of texts is wanted, not {value!r}")
    return tuple(values)

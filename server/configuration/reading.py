"""Reading a configuration: every key strictly, every problem told, nothing half applied."""

from __future__ import annotations

import difflib
import re
import tomllib
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from server.configuration.keys import KEYS, NOT_BUILT, SECTIONS
from server.configuration.named_tables import NAMED_TABLES
from server.configuration.positions import Position, key_positions, position_at
from server.configuration.problems import ConfigurationError, Problem
from server.configuration.rrq_routes import check_routes, with_routed_schedules
from server.settings import SecretSource, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from server.configuration.keys import Key
    from server.configuration.named_tables import NamedTables
    from server.configuration.positions import KeyPath
    from server.settings import ProtocolSettings

MAX_FILE_BYTES = 1024 * 1024
_MAX_NAME = 200
_KEYS = {key.path: key for key in KEYS}
_TABLES = frozenset(section.path for section in SECTIONS)
_NOT_BUILT = {entry.path: entry.comment for entry in NOT_BUILT}
_SYNTAX_PLACE = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)$")


class Trouble(NamedTuple):
    """A problem before its place is known."""

    path: KeyPath
    message: str


def load_settings(path: Path | None) -> Settings:
    """The settings of a file, or the defaults where there is none.

    Raises:
        ConfigurationError: with everything that is wrong.
    """
    if path is None:
        return Settings()
    text = _read_text(path)
    return _resolved(read_settings(text, source=str(path)), path.parent)


def read_settings(text: str, *, source: str = "configuration") -> Settings:
    """The settings a TOML text stands for. Names of files in it are left as they are.

    Raises:
        ConfigurationError: with everything that is wrong.
    """
    document = _parse(text, source)
    reader = _Reader()
    reader.read_table((), document)
    reader.check_together()
    if reader.troubles:
        raise ConfigurationError(_placed(reader.troubles, text, source))
    return with_routed_schedules(reader.settings)


class _Reader:
    """Collects settings and troubles while walking over a parsed document."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.troubles: list[Trouble] = []

    def read_table(self, table: KeyPath, entries: Mapping[str, Any]) -> None:
        for name, value in entries.items():
            path = (*table, name)
            dotted = ".".join(path)
            if dotted in _NOT_BUILT:
                message = f"is not built in this version: {_NOT_BUILT[dotted]}; take it out"
                self._complain(path, message)
            elif named := NAMED_TABLES.get(dotted):
                self._read_named_tables(path, named, value)
            elif key := _KEYS.get(dotted):
                self._read_key(path, key, value)
            elif dotted in _TABLES:
                self._read_subtable(path, value)
            else:
                self._complain(path, unknown_key(path))

    def check_together(self) -> None:
        """What each key allows, but the whole does not."""
        tls = self.settings.server.tls
        if bool(tls.certificate) != bool(tls.key):
            missing = "key" if tls.certificate else "certificate"
            self._complain(
                ("server", "tls"), f"certificate and key go together; {missing} is empty"
            )
        elif tls.client_ca and not tls.certificate:
            self._complain(("server", "tls", "client_ca"), "needs certificate and key beside it")
        if not self.troubles:  # else what is missing may only be misspelt
            for keys, message in check_routes(self.settings.protocols.rrq):
                self._complain(("protocols", "rrq", *keys), message)

    def _read_subtable(self, path: KeyPath, value: object) -> None:
        if isinstance(value, dict):
            self.read_table(path, value)
        else:
            self._complain(path, f"has to be a table, written as [{'.'.join(path)}]")

    def _read_key(self, path: KeyPath, key: Key, value: object) -> None:
        try:
            read = key.kind.read(value)
        except ValueError as error:
            self._complain(path, str(error))
        else:
            self.settings = with_setting(self.settings, key.setting, read)

    def _read_named_tables(self, path: KeyPath, named: NamedTables, value: object) -> None:
        if not isinstance(value, dict):
            self._complain(path, f"has to be tables, written as [{named.path}.NAME]")
            return
        tables = dict(setting_of(self.settings, named.path))
        for name, entries in value.items():
            place = (*path, name)
            if not 0 < len(name) <= _MAX_NAME or not name.isprintable():
                self._complain(place, f"names have 1 to {_MAX_NAME} printable characters")
            elif not isinstance(entries, dict):
                self._complain(place, f"has to be a table, written as [{named.path}.NAME]")
            else:
                tables[name] = self._read_named_table(place, named, entries)
        self.settings = with_setting(self.settings, named.path, tables)

    def _read_named_table(
        self, path: KeyPath, named: NamedTables, entries: Mapping[str, object]
    ) -> Any:
        known = {key.path: key for key in named.keys}
        settings, before = named.default, len(self.troubles)
        for name, value in entries.items():
            key = known.get(name)
            if key is None:
                self._complain((*path, name), _unknown(name, known, f"of {named.what}"))
                continue
            try:
                settings = with_setting(settings, key.setting, key.kind.read(value))
            except ValueError as error:
                self._complain((*path, name), str(error))
        if len(self.troubles) == before:  # else what is missing may only be misspelt
            for name, message in named.check(path[-1], settings):
                self._complain((*path, name) if name else path, message)
        return settings

    def _complain(self, path: KeyPath, message: str) -> None:
        self.troubles.append(Trouble(path, message))


def with_setting(settings: Any, dotted: str, value: object) -> Any:
    """A copy of frozen settings in which one field, given by its dotted path, is different."""
    name, _, rest = dotted.partition(".")
    if not rest:
        return replace(settings, **{name: value})
    return replace(settings, **{name: with_setting(getattr(settings, name), rest, value)})


def setting_of(settings: Any, dotted: str) -> Any:
    """The value at a dotted path."""
    for name in dotted.split("."):
        settings = getattr(settings, name)
    return settings


def setting_paths(settings: Any, prefix: str = "") -> Iterator[str]:
    """The dotted paths of all fields that hold values, not further settings."""
    for field in fields(settings):
        value = getattr(settings, field.name)
        path = f"{prefix}{field.name}"
        if is_dataclass(value) and not isinstance(value, SecretSource):
            yield from setting_paths(value, f"{path}.")
        else:
            yield path


def unknown_key(path: KeyPath) -> str:
    """Words for a key nobody knows, naming what may have been meant."""
    parent = ".".join(path[:-1])
    siblings = {
        known.removeprefix(f"{parent}.") if parent else known
        for known in (*_KEYS, *_TABLES)
        if known.rpartition(".")[0] == parent
    }
    if near := difflib.get_close_matches(path[-1], siblings, n=1, cutoff=0.6):
        return f"is not known; did you mean {'.'.join((*path[:-1], near[0]))}?"
    elsewhere = [known for known in (*_KEYS, *_TABLES) if known.rpartition(".")[2] == path[-1]]
    others = [
        known
        for known in (*_KEYS, *_TABLES)
        if known.rpartition(".")[0] != parent and not parent.startswith(known)
    ]
    elsewhere += difflib.get_close_matches(".".join(path), others, n=1, cutoff=0.7)
    if elsewhere:
        return f"is not known; did you mean {elsewhere[0]}?"
    where = f"in [{parent}]" if parent else "at the top"
    return f"is not known; {where} there can be {', '.join(sorted(siblings))}"


def _unknown(name: str, known: Mapping[str, object], whose: str) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"the keys {whose} are {', '.join(known)}"
    return f"is not known; {hint}"


def _placed(troubles: list[Trouble], text: str, source: str) -> list[Problem]:
    """Troubles with their places, in the order of the file."""
    positions = key_positions(text)
    problems = [
        Problem(source, *_nearest(positions, path), _name(path), message)
        for path, message in troubles
    ]
    return sorted(problems, key=lambda problem: (problem.line, problem.column))


def _nearest(positions: Mapping[KeyPath, Position], path: KeyPath) -> Position:
    """The place of a key, or of the innermost table around it that was found."""
    while path and path not in positions:
        path = path[:-1]
    return positions.get(path, Position(1, 1))


def _name(path: KeyPath) -> str:
    """A dotted path that is safe to print."""
    parts = (part if part.isprintable() and len(part) <= 80 else "…" for part in path)
    return ".".join(parts)


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _SYNTAX_PLACE.search(str(error))
        at = (
            Position(int(place[1]), int(place[2]))
            if place and place[1]
            else position_at(text, len(text))
        )
        words = _SYNTAX_PLACE.sub("", str(error)).strip()
    except RecursionError:
        at, words = Position(1, 1), "nested too deeply"
    raise ConfigurationError([Problem(source, *at, "", f"this is not TOML: {words}")])


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        if len(raw) > MAX_FILE_BYTES:
            raise ValueError(f"is larger than {MAX_FILE_BYTES} bytes; is it the right file?")
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8: byte {error.start} is wrong"
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except ValueError as error:
        problem = str(error)
    raise ConfigurationError([Problem(str(path), 1, 1, "", f"the file {problem}")])


def _resolved(settings: Settings, folder: Path) -> Settings:
    """Names of files are meant from the configuration's own folder, wherever one starts from."""

    def absolute(name: str) -> str:
        return str(folder.absolute() / Path(name).expanduser()) if name else ""

    tls = settings.server.tls
    for name in ("certificate", "key", "client_ca"):
        tls = replace(tls, **{name: absolute(getattr(tls, name))})
    server = replace(settings.server, tls=tls)
    if server.data_dir is not None:
        server = replace(server, data_dir=Path(absolute(str(server.data_dir))))
    keys = settings.keys
    for field in fields(keys):
        source = getattr(keys, field.name)
        keys = replace(keys, **{field.name: replace(source, file=absolute(source.file))})
    protocols = _resolved_protocols(settings.protocols, absolute)
    return replace(settings, server=server, keys=keys, protocols=protocols)


def _resolved_protocols(
    protocols: ProtocolSettings, absolute: Callable[[str], str]
) -> ProtocolSettings:
    def source(token: SecretSource) -> SecretSource:
        return replace(token, file=absolute(token.file))

    treadmill = protocols.treadmill
    treadmill = replace(
        treadmill,
        api_token=source(treadmill.api_token),
        supervisors=tuple(replace(one, token=source(one.token)) for one in treadmill.supervisors),
        tokens=tuple(replace(one, token=source(one.token)) for one in treadmill.tokens),
    )
    native_v1 = replace(protocols.native_v1, webhook_ca=absolute(protocols.native_v1.webhook_ca))
    workernator = replace(
        protocols.workernator,
        certificate=absolute(protocols.workernator.certificate),
        key=absolute(protocols.workernator.key),
        client_ca=absolute(protocols.workernator.client_ca),
    )
    return replace(protocols, native_v1=native_v1, treadmill=treadmill, workernator=workernator)

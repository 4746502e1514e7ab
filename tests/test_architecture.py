"""Which way imports may go, and how large a module may grow. An exception needs a reason here."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGES = ("server", "traffic_tui")
STANDARD_LIBRARY = frozenset(sys.stdlib_module_names)
MAX_LINES = 400
FORBIDDEN_NAMES = frozenset({"utils", "util", "common", "helpers", "helper", "misc"})

LONG_MODULES = {
    "server.store.schema": "every step of the schema there ever was, in order",
    "server.store.base": "the seam to the store is read, and implemented, as one page",
    "server.wire.operator": "the operator API's messages, one after the other, and nothing else",
    "traffic_tui.actions": "the one registry of actions: a table, read as a whole",
    "traffic_tui.state.outputlog": "one window on lines: intake, dropping and finding share state",
    "traffic_tui.themes": "reading, checking and handing over a theme share one list of roles",
    "traffic_tui.widgets.line_table": "one widget: painting, scrolling and marking share state",
}
"""Module -> why it may have more than ``MAX_LINES`` lines."""

EXCEPTIONS = {
    ("server.protocols.native_v1.webhooks", "httpx"): "runners are called, not only answered",
    ("traffic_tui.state", "rich.cells"): "how many cells a letter takes: a table, nothing painted",
}
"""(room, module it may import all the same) -> why."""

PURE = (
    "server.model",
    "server.transitions",
    "server.placement",
    "server.durations",
    "server.filters",
    "server.ranges",
)
PURE_MAY_IMPORT = (*PURE, "server.errors", "server.events", "server.traits")
"""Facts and rules: no clock, no random, no I/O, nothing installed."""

MAY_START_THE_COORDINATOR = (
    "server.runtime",
    "traffic_tui.client.embedded",
    "traffic_tui.cli.serve",
)


class Import(NamedTuple):
    """One import statement's target."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def module_files() -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(part for part in parts if part != "__init__"), path


MODULES = dict(module_files())


def is_in(module: str, *rooms: str) -> bool:
    """Whether the module is one of the rooms or lies inside one."""
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def imports_of(module: str) -> list[Import]:
    """Everything a module imports, also for types only. Relative imports are not used here."""
    found: list[Import] = []
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.extend(Import(module, name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            assert node.level == 0, f"{module}:{node.lineno} has a relative import"
            for name in node.names:
                whole = f"{source}.{name.name}"
                found.append(Import(module, whole if whole in MODULES else source, node.lineno))
    return found


def offences(*importers: str, forbidden: tuple[str, ...]) -> list[str]:
    """Imports from the rooms ``importers`` of what is in ``forbidden``, as words."""
    return [
        str(found)
        for module in MODULES
        if is_in(module, *importers)
        for found in imports_of(module)
        if is_in(found.imported, *forbidden) and not is_excepted(found)
    ]


def is_excepted(found: Import) -> bool:
    return any(
        is_in(found.importer, importer) and found.imported == imported
        for importer, imported in EXCEPTIONS
    )


def test_every_module_is_looked_at() -> None:
    assert "server.model" in MODULES
    assert "traffic_tui.client.base" in MODULES
    assert Import("server.clock", "time", 5) in imports_of("server.clock")


@pytest.mark.parametrize(
    ("importer", "forbidden"),
    [
        # The coordinator runs with no terminal, on boxes where none of this is wanted.
        ("server", ("traffic_tui", "textual", "rich", "typer", "httpx")),
        # Messages are shared with clients, which must not pull in the coordinator.
        (
            "server.wire",
            ("server.coordinator", "server.store", "server.http", "server.protocols", "uvicorn"),
        ),
        # The store keeps facts, the core decides; neither knows who asks.
        ("server.store", ("server.coordinator", "server.http", "server.protocols", "starlette")),
        ("server.coordinator", ("server.http", "server.protocols", "starlette", "uvicorn")),
        ("server.coordinator", ("server.store.sqlite", "sqlite3", "socket")),
        # A protocol decodes, calls the coordinator, and encodes.
        ("server.protocols", ("server.store.sqlite", "sqlite3", "server.runtime", "uvicorn")),
        ("server.protocols", ("server.configuration", "server.operator")),
        ("server.http", ("server.store.sqlite", "sqlite3", "server.runtime")),
        ("traffic_tui.state", ("textual", "rich", "httpx")),
        ("traffic_tui.state", ("traffic_tui.widgets", "traffic_tui.screens", "traffic_tui.cli")),
        ("traffic_tui.widgets", ("traffic_tui.screens", "traffic_tui.client", "traffic_tui.cli")),
        ("traffic_tui.widgets", ("traffic_tui.app", "httpx")),
        ("traffic_tui.screens", ("traffic_tui.app", "traffic_tui.cli", "httpx")),
        ("traffic_tui.screens", ("traffic_tui.client.http", "traffic_tui.client.embedded")),
        ("traffic_tui.client", ("textual", "rich", "typer", "traffic_tui.screens")),
        ("traffic_tui.client", ("traffic_tui.widgets", "traffic_tui.state", "traffic_tui.cli")),
        # Runner boxes may have no terminal either; the library never needs the coordinator.
        ("traffic_tui.runner", ("textual", "traffic_tui.screens", "traffic_tui.widgets")),
        ("traffic_tui.runner", ("server.coordinator", "server.store", "server.http")),
    ],
)
def test_imports_go_one_way(importer: str, forbidden: tuple[str, ...]) -> None:
    assert offences(importer, forbidden=forbidden) == []


def packages_in(room: str) -> list[str]:
    """The packages that lie directly in a room."""
    return [
        module
        for module, path in MODULES.items()
        if path.name == "__init__.py" and module.rpartition(".")[0] == room
    ]


@pytest.mark.parametrize("protocol", packages_in("server.protocols"))
def test_protocols_do_not_know_each_other(protocol: str) -> None:
    others = [other for other in packages_in("server.protocols") if other != protocol]
    assert offences(protocol, forbidden=tuple(others)) == []


@pytest.mark.parametrize("room", PURE)
def test_rules_and_facts_need_nothing(room: str) -> None:
    assert room in MODULES, f"{room} is gone; say in DESIGN and here where its rules live now"
    strangers = [
        str(found)
        for module in MODULES
        if is_in(module, room)
        for found in imports_of(module)
        if found.imported.split(".")[0] not in STANDARD_LIBRARY
        and not is_in(found.imported, *PURE_MAY_IMPORT)
    ]
    assert strangers == []


def test_only_the_embedded_client_and_serve_start_a_coordinator() -> None:
    starters = [
        str(found)
        for module in MODULES
        if not is_in(module, *MAY_START_THE_COORDINATOR)
        for found in imports_of(module)
        if is_in(found.imported, "server.runtime")
    ]
    assert starters == []


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [name for name in MODULES if FORBIDDEN_NAMES & set(name.split("."))] == []


def test_modules_stay_small() -> None:
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    too_long = {name: count for name, count in lines.items() if count > MAX_LINES}
    assert {name: count for name, count in too_long.items() if name not in LONG_MODULES} == {}
    assert [name for name in LONG_MODULES if name not in MODULES] == []


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        # ``traffic-tui --help`` answers at once; a command imports what it needs when it runs.
        ("traffic_tui.cli.main", ("textual", "httpx", "uvicorn", "starlette", "sqlite_utils")),
        ("server.runtime", ("textual", "rich", "traffic_tui", "httpx", "typer")),
        ("traffic_tui.client.http", ("textual", "uvicorn", "server.coordinator")),
        ("traffic_tui.runner", ("textual", "uvicorn", "server.coordinator")),
    ],
)
def test_importing_is_light(module: str, unwanted: tuple[str, ...]) -> None:
    program = (
        f"import sys, {module}\n"
        f"found = [name for name in {unwanted!r} if name in sys.modules]\n"
        "sys.exit(', '.join(found) or 0)"
    )
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (answer.returncode, answer.stderr.strip()) == (0, "")

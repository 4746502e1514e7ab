"""Registering handlers, and finding a person's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from traffic_tui.runner import ExecutionRequest, Registry
from traffic_tui.runner.errors import RunnerError
from traffic_tui.runner.handlers import load_handlers

if TYPE_CHECKING:
    from pathlib import Path


async def greet(request: ExecutionRequest) -> str:
    return "hi"


def test_a_handler_is_found_by_its_exact_name() -> None:
    registry = Registry()
    registry.handler("greet")(greet)
    entry = registry.get("greet")
    assert entry is not None and entry.handler is greet
    assert registry.get("greet2") is None
    assert registry.names == ["greet"]


def test_the_decorator_leaves_the_function_as_it_is() -> None:
    assert Registry().handler("greet")(greet) is greet


@pytest.mark.parametrize("name", ["", "*", "gpu-*", "x" * 201])
def test_names_that_are_none_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no job type"):
        Registry().register(name, greet)


def test_a_name_is_given_once() -> None:
    registry = Registry()
    registry.register("greet", greet)
    with pytest.raises(ValueError, match="has a handler already"):
        registry.register("greet", greet)


def test_what_cannot_be_called_is_no_handler() -> None:
    with pytest.raises(TypeError, match="cannot be called"):
        Registry().register("greet", 7)  # type: ignore[arg-type]


def module(folder: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / f"{name}.py").write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))


def test_handlers_are_loaded_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "from traffic_tui.runner import Registry\n"
        "registry = Registry()\n"
        "async def f(request): return 1\n"
        "registry.register('own', f)\n"
    )
    module(tmp_path, "own_handlers_found", text, monkeypatch)
    assert load_handlers("own_handlers_found:registry").names == ["own"]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "{m}", "looks like module:registry"),
        ("", "no_such_module_here:registry", "there is no module"),
        ("", "{m}:registry", "there is no 'registry' in it"),
        ("registry = 3\n", "{m}:registry", "is a int"),
        ("import no_such_thing\n", "{m}:registry", "needs no_such_thing"),
        ("x = 1\nraise RuntimeError('out of \\x1b[31m order')\n", "{m}:registry", "line 2"),
        ("def (:\n", "{m}:registry", "line 1"),
        ("import sys\nsys.exit(3)\n", "{m}:registry", "cannot be imported"),
        (
            "from traffic_tui.runner import Registry\nregistry = Registry()\n",
            "{m}:registry",
            "without any handler",
        ),
    ],
)
def test_what_is_wrong_with_handlers_is_told(
    text: str, place: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"own_handlers_{abs(hash((text, place)))}"
    module(tmp_path, name, text, monkeypatch)
    with pytest.raises(RunnerError, match=words) as error:
        load_handlers(place.format(m=name))
    assert "\x1b" not in str(error.value)

"""Every command says what it does, with an example, and importing none of it is dear."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from traffic_tui.cli.failures import EXIT_DONE, EXIT_USAGE
from traffic_tui.cli.main import RootGroup, app, run, wants_debug

if TYPE_CHECKING:
    from collections.abc import Iterator


def command_lines(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command there is, with all its names."""
    yield path
    names = RootGroup.lazy_commands if not path else getattr(command, "commands", {})
    for name in names:
        child = command.get_command(None, name)
        yield from command_lines(child, (*path, name))


COMMAND_LINES = sorted(command_lines(get_command(app)))


def test_all_commands_are_there() -> None:
    lines = {" ".join(path) for path in COMMAND_LINES}
    wanted = """serve attach demo agent runner events doctor
    jobs|start noop|start fib|start eval|start wait|start command|submit|list|status|show|tail|logs
    jobs|wait|explain|stop|resubmit|reassign|priority runners|list|show|drain|resume|forget
    queues|list|pause|resume|limit keys|create|list|revoke config|check"""
    assert lines >= set(wanted.split("\n")[0].split())
    for group, rest in (
        ("jobs", "start noop,start fib,start eval,start wait,start command,submit,list,status,show,"
                 "tail,logs,wait,explain,stop,resubmit,reassign,priority"),
        ("runners", "list,show,drain,resume,forget"),
        ("queues", "list,pause,resume,limit"),
        ("keys", "create,list,revoke"),
        ("config", "check"),
    ):  # fmt: skip
        assert lines >= {f"{group} {each}" for each in rest.split(",")}


@pytest.mark.parametrize("path", COMMAND_LINES, ids=lambda path: " ".join(path) or "traffic-tui")
def test_help_has_words_and_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"], prog_name="traffic-tui")
    assert result.exit_code == EXIT_DONE, result.output
    assert "Example" in result.output
    words = result.output.split("\n\n")[1].strip()
    assert words.endswith(".")
    assert not words.startswith("Options:")


def test_a_group_alone_shows_its_help_and_is_wrong_usage(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["jobs"]) == EXIT_USAGE
    said = capfd.readouterr()
    assert "Commands:" in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["jbos"], "Did you mean 'jobs'?"),
        (["jobs", "lst"], "Did you mean 'list'?"),
        (["jobs", "list", "--nope"], "No such option: --nope"),
        (["jobs", "list", "-o", "xml"], "-o"),
        (["jobs", "status"], "Missing argument"),
        (["jobs", "start", "fib", "many"], "valid integer"),
        (["jobs", "submit", "x", "--params", "{"], "--params: this is no JSON"),
        (["jobs", "submit", "x", "--params", "{}", "--params-file", "-"], "give one"),
        (["jobs", "reassign", "12"], "--to-queue or --to-runner"),
        (["jobs", "reassign", "12", "--to-queue", "a", "--to-runner", "b"], "--to-queue or"),
        (["jobs", "stop", "12", "--now", "--abandon"], "exclude each other"),
        (["jobs", "stop", "12", "--grace", "soon"], "--grace: 'soon' is no duration"),
        (["jobs", "priority", "12"], "which priority? name it with --to"),
        (["jobs", "priority", "12", "urgent"], "which priority? name it with --to"),
        (["jobs", "priority", "12", "-5"], "A number below 0 stands behind its option"),
        (["queues", "limit", "gpu", "0"], "queues pause"),
        (["keys", "create", "--name", "x", "--role", "king"], "king"),
        (["runners", "drain", "x", "--deadline", "late"], "--deadline"),
        (["events", "state:failed"], "kind, job, runner"),
        (["--port", "99999"], "65535"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_usage_is_one_line_that_names_it(
    arguments: list[str],
    words: str,
    capfd: pytest.CaptureFixture[str],
    nobody_there: None,
) -> None:
    assert run(arguments) == EXIT_USAGE
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith("traffic-tui: ")
    assert said.err.count("\n") == 1
    assert words in said.err


def test_debug_is_found_before_the_two_dashes_only() -> None:
    assert wants_debug(["jobs", "list", "--debug"])
    assert not wants_debug(["jobs", "start", "command", "--", "prog", "--debug"])


def test_importing_all_commands_imports_nothing_heavy() -> None:
    modules = [lazy.module for lazy in RootGroup.lazy_commands.values()]
    program = (
        f"import sys, importlib\nfor name in {modules!r}: importlib.import_module(name)\n"
        "heavy = {'textual', 'httpx', 'uvicorn', 'starlette', 'sqlite_utils', 'rich', 'msgspec'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")

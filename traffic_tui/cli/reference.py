"""``docs/cli.md``, written from the commands themselves so that it cannot say anything else.

python -m traffic_tui.cli.reference > docs/cli.md
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from typer.main import get_command

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """\
# The command line

Made by `python -m traffic_tui.cli.reference`; a test fails where it differs from the commands.

Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 cannot reach the coordinator;
130 interrupted, 141 the reader of the output went away.

Every command that talks to a coordinator takes `--url URL`, `--key-file FILE`, `--ca FILE` and
`--data-dir DIR`. Without them `TRAFFIC_TUI_URL`, `TRAFFIC_TUI_KEY` and `TRAFFIC_TUI_CA` count,
then what this user's own coordinator has written into the data folder.

Where data is printed, `-o table|wide|json|name` says how, and `--json` means `-o json`. JSON is
what the operator API answers, unchanged; streams give a line of JSON each. Tables are coloured on
a terminal (unless `NO_COLOR` is set) and plain in a pipe.

Durations are seconds or words such as `90s`, `10m`, `1h30m`. Every command takes `--debug`, which
shows where an error came from.
"""
SHARED = ("url", "key_file", "ca", "data_dir", "output", "as_json", "debug", "help")
"""Options that the head of the page explains once."""


def reference() -> str:
    """The whole page."""
    from traffic_tui.cli.main import app

    parts = [HEAD, *_sections(get_command(app), "traffic-tui", None)]
    return "\n".join(parts)


def _sections(command: Any, name: str, parent: Any) -> Iterator[str]:
    """A command and those below it, each as a section."""
    context = command.context_class(command, info_name=name, parent=parent)
    if parent is None or not _is_group(command):
        yield _section(command, context)
    if not _is_group(command):
        return
    for child_name in command.list_commands(context):
        child = command.get_command(context, child_name)
        if not child.hidden:
            yield from _sections(child, child_name, context)


def _is_group(command: Any) -> bool:
    return hasattr(command, "list_commands")


def _section(command: Any, context: Any) -> str:
    lines = [f"## {context.command_path}{_aliases(command, context)}", ""]
    lines += [_plain(command.help), "", "```", *_examples(command.epilog), "```", ""]
    rows = [_row(parameter, context) for parameter in _own_parameters(command)]
    lines += [f"- `{names}` {words}" for names, words in rows if names]
    return "\n".join([*lines, ""]) if rows else "\n".join(lines)


def _aliases(command: Any, context: Any) -> str:
    """Other names of the same command."""
    if context.parent is None:
        return ""
    siblings = getattr(context.parent.command, "commands", {})
    own = [
        name
        for name, other in siblings.items()
        if other.callback is not None and other.hidden and other.help == command.help
    ]
    lazy = getattr(context.parent.command, "lazy_commands", {})
    own += [name for name, each in lazy.items() if each.alias_of == context.info_name]
    return f" (= {', '.join(sorted(set(own)))})" if own else ""


def _own_parameters(command: Any) -> list[Any]:
    """Those that the head of the page does not explain."""
    talks = any(parameter.name == "url" for parameter in command.params)
    shared = SHARED if talks else ("debug", "help")
    return [parameter for parameter in command.params if parameter.name not in shared]


def _row(parameter: Any, context: Any) -> tuple[str, str]:
    """Names and words of one argument or option."""
    record = parameter.get_help_record(context)
    if record is None:
        return "", ""
    names = re.sub(r"\s+<[^>|]*>$", "", record[0])
    return names, record[1].strip()


def _plain(text: str | None) -> str:
    """A docstring as paragraphs."""
    paragraphs = re.split(r"\n\s*\n", (text or "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _examples(epilog: str | None) -> list[str]:
    return [line.strip() for line in (epilog or "").splitlines() if line.startswith("  ")]


if __name__ == "__main__":
    sys.stdout.write(reference())

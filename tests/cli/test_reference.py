"""The page about the command line says what the commands say."""

from __future__ import annotations

from pathlib import Path

from traffic_tui.cli.reference import reference

PAGE = Path(__file__).parent.parent.parent / "docs" / "cli.md"


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text("utf-8") == reference(), (
        "docs/cli.md is out of date: python -m traffic_tui.cli.reference > docs/cli.md"
    )

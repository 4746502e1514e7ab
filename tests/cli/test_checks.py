"""What ``doctor`` says of sick boxes."""

from __future__ import annotations

import socket
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.runtime.stores import DATABASE_FILE
from server.settings import ServerSettings, Settings
from traffic_tui.cli.checks_coordinator import port_finding
from traffic_tui.cli.checks_data import (
    STORE_FILE,
    disk_finding,
    folder_finding,
    keys_finding,
    store_finding,
)
from traffic_tui.cli.checks_terminal import judge_terminal

if TYPE_CHECKING:
    from pathlib import Path


def test_the_store_is_looked_for_where_it_is() -> None:
    assert STORE_FILE == DATABASE_FILE


def test_a_folder_that_is_not_there_yet_is_fine(tmp_path: Path) -> None:
    assert folder_finding(tmp_path / "new").verdict == "ok"


def test_a_folder_open_to_others_is_a_warning_with_the_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o755)
    finding = folder_finding(folder)
    assert (finding.verdict, finding.advice) == ("warn", f"chmod 700 {folder}")
    folder.chmod(0o700)
    assert folder_finding(folder).verdict == "ok"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert folder_finding(tmp_path / "data").verdict == "bad"


def test_keys_that_others_can_read_are_bad(tmp_path: Path) -> None:
    assert keys_finding(tmp_path).verdict == "ok"
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[keys]\noperator = "{"x" * 40}"\n')
    keys.chmod(0o644)
    finding = keys_finding(tmp_path)
    assert finding.verdict == "bad"
    assert "x" * 40 not in finding.words + finding.advice


def test_a_hurt_store_is_bad_and_a_whole_one_is_not(tmp_path: Path) -> None:
    assert store_finding(tmp_path).verdict == "ok"
    store = tmp_path / STORE_FILE
    with sqlite3.connect(store) as database:
        database.execute("CREATE TABLE t (a)")
        database.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 2_000)
    database.close()
    assert store_finding(tmp_path).verdict == "ok"
    content = bytearray(store.read_bytes())
    content[8192:65536] = b"\xff" * (65536 - 8192)
    store.write_bytes(content)
    assert store_finding(tmp_path).verdict == "bad"
    store.write_text("this was never a database" * 100)
    assert store_finding(tmp_path).verdict == "bad"


def test_too_little_room_is_bad(tmp_path: Path) -> None:
    assert disk_finding(tmp_path / "new" / "data", 1).verdict == "ok"
    assert disk_finding(tmp_path, 2**60).verdict == "bad"


def test_a_port_in_use_is_bad() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        settings = replace(Settings(), server=ServerSettings(port=port))
        assert port_finding(settings).verdict == "bad"
    assert port_finding(replace(Settings(), server=ServerSettings(port=0))).verdict == "ok"


@pytest.mark.parametrize(
    ("environment", "size", "is_utf8", "verdict"),
    [
        ({"TERM": "xterm-256color"}, (80, 24), True, "ok"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, (160, 50), True, "ok"),
        ({"TERM": "xterm"}, (79, 24), True, "warn"),
        ({"TERM": "xterm"}, (120, 20), True, "warn"),
        ({"TERM": "xterm"}, (80, 24), False, "warn"),
        ({"TERM": "dumb"}, (80, 24), True, "warn"),
        ({}, (80, 24), True, "warn"),
    ],
)
def test_terminals(
    environment: dict[str, str], size: tuple[int, int], is_utf8: bool, verdict: str
) -> None:
    finding = judge_terminal(environment, size, is_utf8)
    assert finding.verdict == verdict
    assert (finding.advice == "") is (verdict == "ok")

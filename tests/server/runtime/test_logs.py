"""The coordinator's log: one record a line, no control bytes, no keys, private, bounded."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.runtime.logs import LOG_FILE, CoordinatorLog, LineFormatter, clean

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def log(tmp_path: Path) -> Iterator[CoordinatorLog]:
    started = CoordinatorLog(tmp_path, to_stderr=False)
    started.start()
    yield started
    started.stop()


def entries(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / LOG_FILE).read_text().splitlines()]


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("plain ü 語", "plain ü 語"),
        ("a\nb\r\x1b[31mred\x7f\x9b", "a\\x0ab\\x0d\\x1b[31mred\\x7f\\x9b"),
        ("runner a\u202etxt.exe\u2066\u200b\u2028", "runner a\\x202etxt.exe\\x2066\\x200b\\x2028"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer (not shown)"),
        ("GET /wake?session=1&secret=abcdefgh&x=1", "GET /wake?session=1&secret=(not shown)&x=1"),
        ("api_key='abcdefghijk'", "api_key='abcdefghijk'"),
        ("x" * 50_000, "x" * 20_000),
    ],
)
def test_what_is_logged_is_harmless(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_records_are_json_lines_in_a_private_file(log: CoordinatorLog, tmp_path: Path) -> None:
    logging.getLogger("server.test").info("said %s", "this\nand that")
    try:
        raise ValueError("broken\x1b[0m")
    except ValueError:
        logging.getLogger("server.test").exception("failed")
    said, failed = entries(tmp_path)
    assert (said["level"], said["logger"]) == ("info", "server.test")
    assert said["message"] == "said this\\x0aand that"
    assert failed["trace"].splitlines()[-1] == "ValueError: broken\\x1b[0m"
    assert stat.S_IMODE((tmp_path / LOG_FILE).stat().st_mode) == 0o600


def test_talkative_libraries_are_heard_only_when_it_matters(
    log: CoordinatorLog, tmp_path: Path
) -> None:
    logging.getLogger("httpx").info("GET")
    logging.getLogger("httpx").warning("trouble")
    assert [entry["message"] for entry in entries(tmp_path)] == ["trouble"]


def test_lines_for_people_are_one_line_each() -> None:
    record = logging.LogRecord("server", logging.WARNING, "", 0, "two\nlines", None, None)
    line = LineFormatter(is_json=False).format(record)
    assert line.endswith("Z warning server: two\\x0alines")


def test_it_lets_go_of_everything(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (list(root.handlers), logging.getLogger("server").level)
    log = CoordinatorLog(tmp_path, to_stderr=True)
    log.start()
    log.start()
    assert len(root.handlers) == len(before[0]) + 2
    log.stop()
    log.stop()
    assert (list(root.handlers), logging.getLogger("server").level) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_neither_seen_on_stderr_nor_felt_at_the_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / LOG_FILE).symlink_to("/dev/full")
    log = CoordinatorLog(tmp_path, to_stderr=False)
    log.start()
    logging.getLogger("server.test").warning("said to nobody")
    log.stop()
    assert capfd.readouterr() == ("", "")

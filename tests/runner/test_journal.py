"""Output that waits for the coordinator: in memory, on disk, within bounds."""

from __future__ import annotations

import asyncio
import errno
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from traffic_tui.runner.journal import Journal, JournalLimits, StreamJournal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = JournalLimits(spill=16, attempt=100, total=150)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "spool" / "one", SMALL)
    journal.open()
    yield journal
    journal.close()


def whole(journal: StreamJournal) -> bytes:
    parts, at = [], journal.start
    while piece := journal.read(at, 7):
        parts.append(piece)
        at += len(piece)
    return b"".join(parts)


def test_what_is_kept_is_what_was_written(journal: Journal) -> None:
    for number in range(9):
        journal.append("a", "stdout", b"line %d\n" % number)
    stream = journal.streams("a")["stdout"]
    assert whole(stream) == b"".join(b"line %d\n" % number for number in range(9))
    journal.acknowledge("a", "stdout", 30)
    assert stream.start == 30
    assert whole(stream) == b"".join(b"line %d\n" % number for number in range(9))[30:]


def test_no_more_is_taken_than_fits(journal: Journal) -> None:
    assert journal.append("a", "stdout", b"x" * 70) == 70
    assert journal.append("a", "stderr", b"x" * 70) == 30
    assert journal.append("b", "stdout", b"x" * 70) == 50
    assert journal.append("b", "stdout", b"x") == 0
    journal.acknowledge("a", "stdout", 70)
    assert journal.room("b") == 50
    journal.discard("a")
    assert journal.room("b") == 50
    assert journal.room("c") == 100


async def test_room_is_announced(journal: Journal) -> None:
    journal.append("a", "stdout", b"x" * 100)
    waiting = asyncio.ensure_future(journal.wait_for_room("a"))
    await asyncio.sleep(0)
    journal.acknowledge("a", "stdout", 1)
    async with asyncio.timeout(0.5):
        await waiting


def test_files_go_when_they_are_acknowledged(journal: Journal, tmp_path: Path) -> None:
    folder = tmp_path / "spool" / "one"
    for _ in range(10):
        journal.append("../../evil", "stdout", b"0123456789")
    assert len(list(folder.iterdir())) > 2
    assert list(tmp_path.iterdir()) == [tmp_path / "spool"]
    journal.acknowledge("../../evil", "stdout", 100)
    assert [path.name for path in folder.iterdir()] == ["lock"]
    journal.close()
    assert not folder.exists()


def test_what_an_agent_left_behind_is_removed_but_not_what_another_uses(tmp_path: Path) -> None:
    left = tmp_path / "spool" / "left"
    left.mkdir(parents=True)
    (left / "lock").touch()
    (left / "1-stdout.0").write_bytes(b"x")
    used = Journal(tmp_path / "spool" / "used")
    used.open()
    assert not left.exists()
    third = Journal(tmp_path / "spool" / "third")
    third.open()
    assert (tmp_path / "spool" / "used" / "lock").exists()
    third.close()
    used.close()


def test_a_full_disk_takes_nothing_and_breaks_nothing(journal: Journal, tmp_path: Path) -> None:
    journal.append("a", "stdout", b"0123456789")
    folder = tmp_path / "spool" / "one"
    moved = folder.rename(tmp_path / "gone")
    folder.write_text("in the way")
    assert journal.append("a", "stdout", b"0123456789") == 0
    folder.unlink()
    moved.rename(folder)
    assert journal.append("a", "stdout", b"abc") == 3
    assert journal.append("a", "stdout", b"defghijklmn") == 11
    assert whole(journal.streams("a")["stdout"]) == b"0123456789abcdefghijklmn"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=40),
            st.integers(min_value=0, max_value=60),
        ),
        max_size=30,
    )
)
def test_a_stream_is_like_one_long_string(tmp_path: Path, steps: list[bytes | int]) -> None:
    stream = StreamJournal(tmp_path / "stream", 16)
    text, start = b"", 0
    for step in steps:
        if isinstance(step, bytes):
            stream.append(step)
            text += step
        else:
            start = min(max(start, start + step), len(text))
            stream.acknowledge(start)
        assert (stream.start, stream.end) == (start, len(text))
        assert whole(stream) == text[start:]
    stream.discard()
    assert whole(stream) == b""
    assert list(tmp_path.glob("stream.*")) == []


def test_a_disk_that_takes_nothing_is_told_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def is_full(self: StreamJournal, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(StreamJournal, "append", is_full)
        assert [journal.append("a", "stdout", b"x") for _ in range(3)] == [0, 0, 0]
    assert caplog.text.count("console output waits") == 1
    assert journal.append("a", "stdout", b"x") == 1


@pytest.mark.parametrize("is_cut", [False, True])
def test_what_is_gone_from_the_disk_keeps_its_place(
    journal: Journal, tmp_path: Path, caplog: pytest.LogCaptureFixture, is_cut: bool
) -> None:
    for letter in b"abcd":
        journal.append("a", "stdout", bytes([letter]) * 12)
    for file in (tmp_path / "spool" / "one").glob("1-*"):
        if is_cut:
            file.write_bytes(b"")
        else:
            file.unlink()
    found = whole(journal.streams("a")["stdout"])
    assert len(found) == 48
    assert found.startswith(b"\n[12 bytes")
    assert found.endswith(b"d" * 12)
    assert caplog.text.count("is lost") == (0 if is_cut else 1)


def test_a_folder_that_was_tidied_away_is_made_again(journal: Journal, tmp_path: Path) -> None:
    journal.append("a", "stdout", b"x" * 12)
    shutil.rmtree(tmp_path / "spool")
    assert journal.append("a", "stdout", b"y" * 12) == 12
    assert whole(journal.streams("a")["stdout"]) == b"x" * 12 + b"y" * 12

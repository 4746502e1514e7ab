"""The data folder with its keys and its discovery file."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server import folder as folders
from server.discovery import (
    Discovery,
    find_running,
    is_process,
    read_discovery,
    remove_discovery,
    write_discovery,
)
from server.folder import FolderProblem, data_folder, prepare_folder
from server.keyfile import KeyFileProblem, ensure_keys, read_keys
from server.model import ROLES
from server.settings import Settings
from traffic_tui.client.base import Unreachable
from traffic_tui.client.locate import locate

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534
SECRET = "s3cret-s3cret-s3cret"


class TestWhere:
    """Flag, configuration, systemd, the user's own."""

    def test_in_that_order(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", "/home/me/data")
        configured = replace(
            Settings(), server=replace(Settings().server, data_dir=Path("/configured"))
        )
        systemd = {"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}
        assert data_folder(Path("/flag"), configured, systemd) == Path("/flag")
        assert data_folder(None, configured, systemd) == Path("/configured")
        assert data_folder(None, Settings(), systemd) == Path("/var/lib/a")
        assert data_folder(None, None, {}) == Path("/home/me/data/traffic-tui")
        assert data_folder(Path("here"), None, {}) == Path.cwd() / "here"


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "data"
    assert prepare_folder(path) == []
    assert stat.S_IMODE(path.stat().st_mode) == folders.FOLDER_MODE
    assert prepare_folder(path) == []


def test_an_open_folder_is_warned_of_but_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    [warning] = prepare_folder(tmp_path)
    assert f"chmod 700 {tmp_path}" in warning
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderProblem, match="--data-dir"):
        prepare_folder(tmp_path / "file")


class TestKeys:
    """``keys.toml``."""

    def test_are_made_once(self, tmp_path: Path) -> None:
        assert read_keys(tmp_path) == {}
        keys = ensure_keys(tmp_path)
        assert set(keys) == set(ROLES)
        assert ensure_keys(tmp_path) == read_keys(tmp_path) == keys
        assert stat.S_IMODE((tmp_path / "keys.toml").stat().st_mode) == 0o600
        assert [path.name for path in tmp_path.iterdir()] == ["keys.toml"]

    def test_of_racing_starts_are_the_same(self, tmp_path: Path) -> None:
        barrier = threading.Barrier(8)
        made: list[dict[str, str]] = []

        def start() -> None:
            barrier.wait(10)
            made.append({str(role): secret for role, secret in ensure_keys(tmp_path).items()})

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(made) == 8
        assert all(keys == made[0] for keys in made)
        assert len(made[0]) == len(ROLES)

    def test_that_others_can_read_are_refused(self, tmp_path: Path) -> None:
        keys = ensure_keys(tmp_path)
        (tmp_path / "keys.toml").chmod(0o640)
        with pytest.raises(KeyFileProblem, match="chmod 600") as caught:
            ensure_keys(tmp_path)
        assert not [secret for secret in keys.values() if secret in str(caught.value)]

    def test_may_be_fewer(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.toml"
        path.write_text(f'[keys]\noperator = "{SECRET}"\n')
        path.chmod(0o600)
        assert ensure_keys(tmp_path) == {"operator": SECRET}

    @pytest.mark.parametrize(
        "text",
        [
            f"{SECRET}",
            f'operator = "{SECRET}"',
            f'[keys]\noperator = ["{SECRET}"]',
            '[keys]\noperator = "s3cret"',
            f'[keys]\noperator = "{SECRET}',
            "\x00\x01",
        ],
    )
    def test_that_make_no_sense_are_refused_unshown(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "keys.toml"
        path.write_text(text)
        path.chmod(0o600)
        with pytest.raises(KeyFileProblem) as caught:
            read_keys(tmp_path)
        assert "s3cret" not in str(caught.value)
        assert str(path) in str(caught.value)


class TestDiscovery:
    """``coordinator.json``."""

    def test_comes_and_goes(self, tmp_path: Path) -> None:
        own = Discovery("http://127.0.0.1:1", os.getpid(), 1, str(tmp_path))
        assert read_discovery(tmp_path) is None
        write_discovery(tmp_path, own)
        assert read_discovery(tmp_path) == own
        assert stat.S_IMODE((tmp_path / "coordinator.json").stat().st_mode) == 0o600
        remove_discovery(tmp_path, own)
        assert list(tmp_path.iterdir()) == []

    def test_of_a_successor_is_left_alone(self, tmp_path: Path) -> None:
        old = Discovery("http://127.0.0.1:1", os.getpid(), 1, str(tmp_path))
        successor = Discovery("http://127.0.0.1:2", os.getpid(), 2, str(tmp_path))
        write_discovery(tmp_path, old)
        write_discovery(tmp_path, successor)
        remove_discovery(tmp_path, old)
        assert read_discovery(tmp_path) == successor

    @pytest.mark.parametrize(
        "text", [b"", b"{", b"[]", b'{"url": 1}', b'{"url": "\xff"}', b"\x00" * 20_000]
    )
    def test_that_makes_no_sense_is_none(self, tmp_path: Path, text: bytes) -> None:
        (tmp_path / "coordinator.json").write_bytes(text)
        assert read_discovery(tmp_path) is None
        assert find_running(tmp_path) is None

    @pytest.mark.parametrize(
        "url", ["http://127.0.0.1:1", "ftp://x", "http://", "http://x:99999", "nonsense", ""]
    )
    def test_of_one_that_does_not_answer_finds_nobody(self, tmp_path: Path, url: str) -> None:
        write_discovery(tmp_path, Discovery(url, os.getpid(), 1, str(tmp_path)))
        assert find_running(tmp_path) is None

    def test_of_a_process_that_is_gone_finds_nobody(self) -> None:
        assert is_process(os.getpid())
        assert not is_process(0)
        assert not is_process(-1)
        assert not is_process(2**22 + 1)
        assert not is_process(2**70)

    def test_of_a_number_that_is_another_users_process_by_now_finds_nobody(
        self, tmp_path: Path
    ) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root, to start a process of another user")
        with answering() as url, subprocess.Popen(["/bin/sleep", "60"], user=NOBODY) as other:
            write_discovery(tmp_path, Discovery(url, os.getpid(), 1, str(tmp_path)))
            assert find_running(tmp_path) is not None
            write_discovery(tmp_path, Discovery(url, other.pid, 1, str(tmp_path)))
            try:
                assert find_running(tmp_path) is None
                with pytest.raises(Unreachable, match="is gone"):
                    locate(data_dir=tmp_path, environment={})
            finally:
                other.kill()


class Yes(BaseHTTPRequestHandler):
    """Answers everything with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *what: object) -> None:
        """Nobody listens."""


@contextlib.contextmanager
def answering() -> Iterator[str]:
    """Something on a port that lives, as far as one can see."""
    with HTTPServer(("127.0.0.1", 0), Yes) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()

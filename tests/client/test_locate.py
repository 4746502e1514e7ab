"""Which coordinator is meant, and which key is shown to it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from server.discovery import Discovery, write_discovery
from server.keyfile import ensure_keys
from traffic_tui.client.base import ClientError, Unreachable
from traffic_tui.client.locate import Located, connect_client, locate
from traffic_tui.client.trust import Trust

if TYPE_CHECKING:
    from pathlib import Path

    from server.runtime import CoordinatorThread

ELSEWHERE = "http://box.example:8700"


def test_without_anything_the_one_of_this_user_is_found(thread: CoordinatorThread) -> None:
    folder = thread.server.folder
    keys = ensure_keys(folder)
    found = locate(data_dir=folder, environment={})
    assert found == Located(thread.server.url, keys["operator"], Trust(), is_local=True)
    assert locate(data_dir=folder, role="runner", environment={}).key == keys["runner"]


async def test_what_was_located_answers(thread: CoordinatorThread) -> None:
    client = connect_client(locate(data_dir=thread.server.folder, environment={}))
    try:
        assert (await client.stats()).started_at == thread.server.coordinator.started_at
    finally:
        await client.close()


def test_naming_ones_own_url_keeps_its_key(thread: CoordinatorThread) -> None:
    folder = thread.server.folder
    url = thread.server.url.replace("127.0.0.1", "localhost")
    found = locate(url=url, data_dir=folder, environment={})
    assert found.key == ensure_keys(folder)["operator"]
    assert not found.is_local


def test_a_key_of_the_folder_is_sent_to_nobody_else(thread: CoordinatorThread) -> None:
    folder = thread.server.folder
    assert locate(url=ELSEWHERE, data_dir=folder, environment={}).key == ""


def test_flags_win_over_variables(tmp_path: Path) -> None:
    key_file, ca = tmp_path / "key", tmp_path / "ca.pem"
    key_file.write_text("from-the-flag\n")
    environment = {
        "TRAFFIC_TUI_URL": "https://variable.example",
        "TRAFFIC_TUI_KEY": "from-the-variable",
        "TRAFFIC_TUI_CA": "/etc/variable.pem",
    }
    by_variable = locate(data_dir=tmp_path, environment=environment)
    assert (by_variable.url, by_variable.key) == ("https://variable.example", "from-the-variable")
    assert str(by_variable.trust.ca) == "/etc/variable.pem"
    by_flag = locate(
        url=ELSEWHERE + "/", key_file=key_file, ca=ca, data_dir=tmp_path, environment=environment
    )
    assert by_flag == Located(ELSEWHERE, "from-the-flag", Trust(ca), is_local=False)


def test_nobody_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="traffic-tui serve"):
        locate(data_dir=tmp_path, environment={})
    write_discovery(tmp_path, Discovery("http://127.0.0.1:1", 2**22 + 1, 1, str(tmp_path)))
    with pytest.raises(Unreachable, match="is gone"):
        locate(data_dir=tmp_path, environment={})
    write_discovery(tmp_path, Discovery("http://127.0.0.1:1", os.getpid(), 1, str(tmp_path)))
    with pytest.raises(Unreachable, match="does not answer"):
        locate(data_dir=tmp_path, environment={})


@pytest.mark.parametrize(
    "url", ["box:8700", "ftp://box", "http://", "http://box:99999", "http://[::1", "\x1b[2J"]
)
def test_what_is_no_url_is_said(tmp_path: Path, url: str) -> None:
    with pytest.raises(ClientError, match="is no URL") as caught:
        locate(url=url, data_dir=tmp_path, environment={})
    assert caught.value.message.isprintable()


def test_a_key_in_the_url_is_refused_unshown(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="does not belong into the URL") as caught:
        locate(url="http://x:hunter2@box", data_dir=tmp_path, environment={})
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("content", [b"", b"two keys", b"\xff\xfe", b"a\nb"])
def test_key_files_that_make_no_sense_are_refused_unshown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ClientError, match="the key file"):
        locate(url=ELSEWHERE, key_file=path, data_dir=tmp_path, environment={})
    with pytest.raises(ClientError, match="No such file"):
        locate(url=ELSEWHERE, key_file=tmp_path / "none", data_dir=tmp_path, environment={})


@pytest.mark.parametrize("key", ["two keys", "a\nb", "\u00fc"])
def test_a_variable_that_is_no_key_is_refused_unshown(tmp_path: Path, key: str) -> None:
    with pytest.raises(ClientError, match="TRAFFIC_TUI_KEY has to hold one key") as caught:
        locate(url=ELSEWHERE, data_dir=tmp_path, environment={"TRAFFIC_TUI_KEY": key})
    assert key not in caught.value.message


def test_keys_that_others_can_read_are_not_used(thread: CoordinatorThread) -> None:
    folder = thread.server.folder
    (folder / "keys.toml").chmod(0o644)
    with pytest.raises(ClientError, match="chmod 600"):
        locate(data_dir=folder, environment={})

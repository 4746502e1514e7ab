"""What a runner keeps on disk is for its user alone, whatever the umask."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from traffic_tui.runner import private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_every_folder_that_is_made_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "agent" / "spool"
    private.make_folder(folder)
    private.make_folder(folder)
    for made in (folder, *folder.parents[:2]):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.usefixtures("open_umask")
def test_a_file_is_private_and_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "registration.json"
    private.write_text(path, "much longer than what follows")
    private.write_text(path, "short")
    assert path.read_text(encoding="utf-8") == "short"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

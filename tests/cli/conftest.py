"""Worlds for tests of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No coordinator of this user, no configuration, no variables."""
    for name in ("URL", "KEY", "CA", "CONFIG"):
        monkeypatch.delenv(f"TRAFFIC_TUI_{name}", raising=False)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))

"""Whatever holds the process, it ends."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time

import pytest


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


@pytest.mark.parametrize("code", [0, 1])
def test_a_process_that_is_held_ends_all_the_same(code: int) -> None:
    began = time.monotonic()
    ended = run(
        f"""
        import threading
        from server.runtime.service import end_within
        end_within(0.2, {code})
        threading.Event().wait(30)
        """
    )
    assert ended.returncode == code
    assert "did not end" in ended.stderr
    assert time.monotonic() - began < 20

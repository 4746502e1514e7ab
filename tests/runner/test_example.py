"""The example does what its page says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.runner.double import Double, serving
from tests.runner.recording import until

EXAMPLE = Path(__file__).parents[2] / "examples" / "native-runner"


async def test_the_example_greets(tmp_path: Path) -> None:
    coordinator = Double()
    coordinator.submit("greet", {"names": ["Ann"]})
    async with serving(coordinator) as url:
        environment = {
            **os.environ,
            "TRAFFIC_TUI_URL": url,
            "TRAFFIC_TUI_KEY": "the-key",
            "XDG_DATA_HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        with subprocess.Popen(  # noqa: ASYNC220  (it returns at once)
            [sys.executable, str(EXAMPLE / "greetings.py")], env=environment, cwd=tmp_path
        ) as process:
            await until(lambda: coordinator.reports)
            process.terminate()
            await until(lambda: process.poll() is not None)
    assert process.returncode == 0
    assert bytes(coordinator.reports[0].result) == b'{"greeted":"Ann"}'
    assert coordinator.output["attempt-1", "console"] == b"hello, Ann\n"


def test_run_ends_the_process_with_words_and_the_exit_code(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "TRAFFIC_TUI_URL": "not an address",
        "TRAFFIC_TUI_KEY": "the-key",
        "XDG_DATA_HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "greetings.py")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "is no coordinator's address" in done.stderr

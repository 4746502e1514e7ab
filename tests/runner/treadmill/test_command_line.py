"""``traffic-tui agent --protocol treadmill``, as a person types it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.runner.treadmill.switchboard import IMAGE, SUPERVISOR, TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.runner.treadmill.switchboard import Switchboard

CONFIG = f"""
[agent.images]
{IMAGE} = {{command = ["/bin/sh", "-c", "echo $TML_PARAM_speed"]}}
"""


@contextmanager
def typed(folder: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    (folder / "config.toml").write_text(CONFIG)
    ours = {name: str(folder / name) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRAFFIC_")}
    command = [sys.executable, "-m", "traffic_tui", "agent", "--protocol", "treadmill"]
    command += ["--config", str(folder / "config.toml"), *arguments]
    process = subprocess.Popen(
        command,
        env={**kept, **ours, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables},
        cwd=folder,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


async def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    said, _ = await asyncio.to_thread(process.communicate, timeout=30)
    return process.returncode, said


@pytest.mark.parametrize("way", ["file", "variables"])
async def test_it_serves(way: str, switchboard: Switchboard, tmp_path: Path) -> None:
    key_file = tmp_path / "token"
    key_file.write_text(f"{TOKEN}\n")
    arguments = ["--name", SUPERVISOR]
    variables = {}
    if way == "file":
        arguments += ["--url", switchboard.url, "--key-file", str(key_file)]
    else:
        variables = {"TRAFFIC_TUI_URL": switchboard.url, "TRAFFIC_TUI_KEY": TOKEN}
    with typed(tmp_path, *arguments, **variables) as process:
        await switchboard.connected()
        job_id = await switchboard.start(parameters={"speed": {"value": "fast", "secret": False}})
        await switchboard.ended(job_id)
        process.send_signal(signal.SIGTERM)
        assert (await ended(process))[0] == 0
    assert switchboard.console(job_id) == b"fast\n"
    assert switchboard.declared(job_id) == [("success", '{"exit_code":0}')]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("--url", "ws://127.0.0.1:9"), 2, "--name has to be the UUID"),
        (("--url", "ws://127.0.0.1:9", "--name", SUPERVISOR), 1, "a supervisor's token is needed"),
        (("--url", "ws://", "--name", SUPERVISOR), 2, "is no URL of a coordinator"),
        (("--name", SUPERVISOR), 3, "no coordinator runs for this user"),
        (("--url", "ws://h:1", "--tcp-socket", "127.0.0.1:1"), 2, "goes with the protocol rrq"),
        (("--url", "ws://h:1", "--listen", "127.0.0.1:1"), 2, "goes with the protocol traffic"),
        (("--url", "ws://h:1", "--handlers", "mine"), 2, "it looks like module:registry"),
        (("--url", "ws://h:1", "--type", "none"), 2, "there is no handler for 'none'"),
        (("--url", "ws://h:1", "--label", "bare"), 2, "say NAME=VALUE"),
    ],
)
async def test_what_cannot_be_is_told(
    arguments: tuple[str, ...], exit_code: int, words: str, tmp_path: Path
) -> None:
    with typed(tmp_path, *arguments) as process:
        code, said = await ended(process)
    assert code == exit_code
    assert words in said
    assert "Traceback" not in said

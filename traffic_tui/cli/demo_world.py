"""Everything the demo is made of, in a throw-away folder, and its end without a trace."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from traffic_tui.cli.demo_agents import AgentProcess, start_agent, stop_agents
from traffic_tui.cli.demo_feed import DemoFeed
from traffic_tui.cli.demo_jobs import RUNNERS, demo_jobs
from traffic_tui.cli.failures import CommandFailed

if TYPE_CHECKING:
    from types import TracebackType

    from traffic_tui.client.base import Client

START_SECONDS = 30.0
LOOK_SECONDS = 0.1
SEED = 7


class DemoWorld:
    """A coordinator in this process, agents as child processes, and a feed of jobs.

    It is entered as a whole or not at all, and leaves no process and no folder.
    """

    client: Client
    folder: Path
    """The coordinator's data, as long as the demo runs."""

    def __init__(self) -> None:
        self._exits = ExitStack()
        self._agents: list[AgentProcess] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _start(self) -> None:
        folder = _make_folder()
        self._exits.callback(shutil.rmtree, folder, ignore_errors=True)
        self._start_coordinator(folder / "data")
        self._start_agents(folder)
        self.feed = DemoFeed(self.client, demo_jobs(SEED))
        self._exits.callback(self.feed.stop)
        self.feed.start()

    def _start_coordinator(self, folder: Path) -> None:
        from dataclasses import replace

        from server.settings import ServerSettings, Settings
        from traffic_tui.client.embedded import RuntimeProblem, open_embedded

        settings = replace(Settings(), server=ServerSettings(port=0))
        try:
            self.client = open_embedded(settings, folder, on_crash=self._note_crash)
        except RuntimeProblem as problem:
            raise CommandFailed(f"the demo's coordinator did not start: {problem}") from problem
        self._exits.callback(self._close_client)
        self.folder = folder

    def _note_crash(self, error: BaseException) -> None:
        """Its log has it, and whoever calls it next is told."""

    def _close_client(self) -> None:
        asyncio.run(self.client.close())

    def _start_agents(self, folder: Path) -> None:
        from server.keyfile import read_keys

        key = read_keys(self.folder)["runner"]
        self._exits.callback(stop_agents, self._agents)
        for runner in RUNNERS:
            self._agents.append(start_agent(runner, self.client.url, key, folder))
        asyncio.run(self._until_connected())

    async def _until_connected(self) -> None:
        ends_at = time.monotonic() + START_SECONDS
        missing = {runner.name for runner in RUNNERS}
        while missing:
            self._check_agents()
            if time.monotonic() > ends_at:
                raise CommandFailed(
                    f"no hello from {', '.join(sorted(missing))} within {START_SECONDS:g}s"
                )
            await asyncio.sleep(LOOK_SECONDS)
            missing -= {runner.name for runner in (await self.client.runners()).runners}

    def _check_agents(self) -> None:
        for agent in self._agents:
            if agent.process.poll() is not None:
                raise CommandFailed(
                    f"the demo's runner {agent.runner.name} ended: {agent.last_words()}"
                )

    def _end(self) -> None:
        """Undo the start, last things first. A second Ctrl+C must not leave half of it behind."""
        held = {
            each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            self._exits.close()
        finally:
            for number, handler in held.items():
                signal.signal(number, handler)


def _make_folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="traffic-tui-demo-"))
    except OSError as error:
        raise CommandFailed(
            f"no folder for the demo can be made in {tempfile.gettempdir()}: {error.strerror}; "
            "name another place with TMPDIR"
        ) from error

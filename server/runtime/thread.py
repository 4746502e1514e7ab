"""A coordinator in a thread of its own, for a process whose main thread paints a console.

On the same loop a repaint would delay every runner's request. A child process that is to die with
its parent must not be spawned here: it would die with this thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any, TypeVar

from server.runtime.coordinator_server import CoordinatorServer
from server.runtime.logs import CoordinatorLog
from server.runtime.loops import new_event_loop
from server.runtime.problems import CoordinatorGone, RuntimeProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from server.settings import Settings

T = TypeVar("T")

START_SECONDS = 60.0
"""A migration of a large store may take long."""
STOP_SECONDS = 5.0


class CoordinatorThread:
    """Starts, owns and ends a :class:`CoordinatorServer` on another thread.

    Args:
        on_crash: called, on that thread, with what ended it after it had started.
        keeps_log: whether to write this process's log into the data folder.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        on_crash: Callable[[BaseException], None],
        keeps_log: bool = True,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._on_crash = on_crash
        self._log = CoordinatorLog(folder, to_stderr=False) if keeps_log else None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: CoordinatorServer | None = None
        self._stop_wanted: asyncio.Event | None = None

    @property
    def server(self) -> CoordinatorServer:
        """What runs there; to be used through :meth:`call` alone.

        Raises:
            CoordinatorGone: it does not run (any more).
        """
        if self._server is None:
            raise CoordinatorGone("the coordinator of this process has ended")
        return self._server

    @property
    def is_running(self) -> bool:
        return self._server is not None

    def start(self, *, timeout_seconds: float = START_SECONDS) -> None:
        """Returns once requests are answered.

        Raises:
            RuntimeProblem: in words, when it cannot be.
        """
        ready: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name="coordinator", daemon=True
        )
        self._thread.start()
        try:
            ready.result(timeout_seconds)
        except TimeoutError:
            raise RuntimeProblem(
                f"the coordinator did not start within {timeout_seconds:g} s; "
                f"see coordinator.log in {self._folder}"
            ) from None
        except BaseException:
            self._thread.join(STOP_SECONDS)
            raise

    def stop(self, *, timeout_seconds: float = STOP_SECONDS) -> bool:
        """End it and wait for it. Returns whether it ended in time; may be called again."""
        thread, loop, wanted = self._thread, self._loop, self._stop_wanted
        if thread is None or thread is threading.current_thread():
            return thread is None
        if loop is not None and wanted is not None and not loop.is_closed():
            loop.call_soon_threadsafe(wanted.set)
        thread.join(timeout_seconds)
        return not thread.is_alive()

    async def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the coordinator's loop, and await its result on the caller's.

        Raises:
            CoordinatorGone: the coordinator ended before, or meanwhile.
        """
        loop = self._loop
        if self._server is None or loop is None or loop.is_closed():
            coroutine.close()
            raise CoordinatorGone("the coordinator of this process has ended")
        there = asyncio.run_coroutine_threadsafe(coroutine, loop)
        try:
            return await asyncio.wrap_future(there)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if there.cancelled() and not (caller and caller.cancelling()):
                raise CoordinatorGone("the coordinator of this process is ending") from None
            raise

    # on the other thread ---------------------------------------------------------------------

    def _run(self, ready: concurrent.futures.Future[None]) -> None:
        try:
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(self._serve(ready))
        except BaseException as error:  # the boundary of the thread: reported to its owner
            self._report(error, ready)
        finally:
            self._server = None

    def _report(self, error: BaseException, ready: concurrent.futures.Future[None]) -> None:
        if not ready.done():
            ready.set_exception(error)
            return
        self._server = None
        self._on_crash(error)

    async def _serve(self, ready: concurrent.futures.Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop_wanted = asyncio.Event()
        server = CoordinatorServer(self._settings, self._folder, log=self._log)
        await server.start()
        self._server = server
        ready.set_result(None)
        try:
            await self._until_end(server, self._stop_wanted)
        finally:
            self._server = None
            await server.stop()

    @staticmethod
    async def _until_end(server: CoordinatorServer, stop_wanted: asyncio.Event) -> None:
        failed = asyncio.ensure_future(server.failed())
        wanted = asyncio.ensure_future(stop_wanted.wait())
        await asyncio.wait([failed, wanted], return_when=asyncio.FIRST_COMPLETED)
        wanted.cancel()
        if failed.done():
            raise failed.result()
        failed.cancel()

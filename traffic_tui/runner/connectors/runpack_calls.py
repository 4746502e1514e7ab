"""The calls a runner makes to a Runpack worker, and the registration it keeps between boots."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import socket
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from traffic_tui.runner import private
from traffic_tui.runner.connectors.link import Rejected, decoded
from traffic_tui.runner.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from traffic_tui.runner.connectors.link import Link
    from traffic_tui.runner.connectors.runpack_jobs import Beat, Ending

log = logging.getLogger(__name__)

REGISTRATIONS = "runpack"


class Offered(msgspec.Struct):
    """A job that may be claimed."""

    job_id: str


class _Available(msgspec.Struct):
    jobs: list[Offered]


class ClaimedJob(msgspec.Struct):
    """A job that is ours now."""

    job_id: str
    job_type: str
    input_params: Any = None


class _Claim(msgspec.Struct):
    success: bool
    job: ClaimedJob | None = None


class _Registered(msgspec.Struct):
    runner_id: str


class Registration(NamedTuple):
    runner_id: str
    runner_name: str


_available = msgspec.json.Decoder(_Available)
_claim = msgspec.json.Decoder(_Claim)
_registered = msgspec.json.Decoder(_Registered)


class RegistrationFile:
    """Who this runner is at one worker; a file for each worker's address."""

    def __init__(self, folder: Path, url: str) -> None:
        name = hashlib.sha256(url.encode()).hexdigest()[:16]
        self.path = folder / REGISTRATIONS / f"{name}.json"
        self._url = url

    def load(self) -> Registration | None:
        """None: there is none, or it cannot be read; then the runner registers anew."""
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            return Registration(str(kept["runner_id"]), str(kept["runner_name"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the registration %s cannot be read, registering anew: %s",
                        self.path, error)  # fmt: skip
            return None

    def save(self, registration: Registration) -> None:
        """Keep it. Raises RunnerError: a runner that forgets itself would register at each boot."""
        try:
            private.make_folder(self.path.parent)
            draft = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            known = {**registration._asdict(), "url": self._url}
            private.write_text(draft, json.dumps(known, indent=2))
            draft.replace(self.path)
        except OSError as error:
            raise RunnerError(f"the registration cannot be kept: {error}") from None


def new_name() -> str:
    """A name as the Runpack runner gives itself."""
    return f"runner-{socket.gethostname()}-{secrets.token_hex(4)}"


class RunpackCalls:
    """A worker, seen from one registered runner. Raises Unreachable and Rejected."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._headers: dict[str, str] = {}

    def act_as(self, registration: Registration) -> None:
        self._headers = {"X-Runner-ID": registration.runner_id}

    async def register(self, name: str, types: Sequence[str]) -> Registration:
        body = _json({"name": name, "capabilities": list(types)})
        _, content = await self._link.call("POST", "/api/runner/register", body)
        return Registration(decoded(_registered, content).runner_id, name)

    async def is_known(self) -> bool:
        try:
            await self._link.call("GET", "/api/runner/verify", headers=self._headers)
        except Rejected as error:
            if error.status == 404:
                return False
            raise
        return True

    async def available(self, types: Sequence[str]) -> list[Offered]:
        _, content = await self._link.call(
            "GET",
            "/api/runner/jobs/available",
            headers=self._headers,
            params=[("types[]", name) for name in types],
        )
        jobs: list[Offered] = decoded(_available, content).jobs
        return jobs

    async def claim(self, job_id: str) -> ClaimedJob | None:
        """The job, or None where another runner was faster."""
        try:
            content = await self._post(job_id, "claim", b"")
        except Rejected as error:
            if error.status == 409:
                return None
            raise
        claim: _Claim = decoded(_claim, content)
        return claim.job if claim.success else None

    async def beat(self, beat: Beat) -> None:
        progress = beat.progress
        body = {
            "progress_current": None if progress is None else progress.current,
            "progress_total": None if progress is None else progress.total,
            "console_output": beat.console,
        }
        await self._post(beat.job_id, "heartbeat", _json(body))

    async def end(self, ending: Ending) -> None:
        """Tell how a job ended."""
        if ending.error is None:
            output = ending.output or b"{}"
            console = _json(ending.console)
            body = b'{"output_data":' + output + b',"console_output":' + console + b"}"
            await self._post(ending.job_id, "complete", body)
        else:
            body = _json({"error_message": ending.error, "console_output": ending.console})
            await self._post(ending.job_id, "error", body)

    async def _post(self, job_id: str, call: str, body: bytes) -> bytes:
        path = f"/api/runner/jobs/{job_id}/{call}"
        _, content = await self._link.call("POST", path, body, headers=self._headers)
        return content


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")

"""What an agent is told when it is started."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from server.model import MAX_NAME
from traffic_tui.runner.errors import WrongOptions
from traffic_tui.runner.listen_address import parse_listen
from traffic_tui.runner.sandbox.sandbox import SandboxOptions
from traffic_tui.runner.tcp_socket import OPTION, parse_tcp_socket
from traffic_tui.runner.words import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.settings import ImageSettings

AgentProtocol: TypeAlias = Literal["native-v2", "runpack", "rrq", "traffic-light", "treadmill"]
AGENT_PROTOCOLS: tuple[AgentProtocol, ...] = get_args(AgentProtocol)
MAX_CAPACITY = 10_000
APPLICATION = "traffic-tui"


@dataclass(frozen=True, slots=True)
class NotifyRelay:
    """Where a Runpack runner hears of new jobs without asking."""

    url: str
    key: str
    subscriber: str

    @classmethod
    def from_environment(cls) -> NotifyRelay | None:
        """As the Runpack runner is told; None where one of the three is missing."""
        url, key, subscriber = (
            os.environ.get(f"NOTIFY_RELAY_{name}", "")
            for name in ("BASE_URL", "SUBSCRIBE_KEY", "SUBSCRIBE_ID")
        )
        return cls(url, key, subscriber) if url and key and subscriber else None


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """Everything an agent can be told; only the address is needed."""

    url: str
    """Of the coordinator; empty where the coordinator comes to the agent."""
    name: str = ""
    """Empty: the host's name. For Treadmill: the supervisor's UUID."""
    capacity: int | None = None
    """How many jobs at once; None: as many as there are processors, for Treadmill one."""
    labels: Mapping[str, str] = field(default_factory=dict)
    types: tuple[str, ...] = ()
    """The only job types it takes; empty: all it has a handler for."""
    key: str = ""
    """The coordinator's runner key itself; for Treadmill the supervisor's token."""
    ca: str | None = None
    cert: str | None = None
    key_file: str | None = None
    """The private key of ``cert``."""
    protocol: AgentProtocol = "native-v2"
    handlers: str | None = None
    """``module:registry`` with handlers of one's own."""
    allow_command: bool = False
    """Let the coordinator run programs here; naming ``command`` in ``types`` says the same."""
    sandbox: SandboxOptions = SandboxOptions()
    """What is put around programs."""
    data_dir: Path | None = None
    """None: the user's data folder."""
    notify_relay: NotifyRelay | None = None
    """Only for Runpack."""
    tcp_socket: str | None = None
    """Where it listens; only for RRQ, and needed there."""
    listen: str | None = None
    """Where it is brought its work; only for Traffic Light, and needed there."""
    images: Mapping[str, ImageSettings] = field(default_factory=dict)
    """What images are on this box; only for Treadmill."""

    @property
    def may_command(self) -> bool:
        """Whether the coordinator may run programs here."""
        return self.allow_command or "command" in self.types

    @property
    def runs_programs(self) -> bool:
        """Whether anything here is run as a program, whoever chose it."""
        is_supervisor = self.protocol == "treadmill"
        return self.may_command or (is_supervisor and any(not i.type for i in self.images.values()))

    @property
    def full_name(self) -> str:
        return self.name or socket.gethostname() or "runner"

    @property
    def slots(self) -> int:
        if self.capacity is not None:
            return self.capacity
        if self.protocol == "treadmill":
            return 1  # a switchboard knows of one job
        if hasattr(os, "sched_getaffinity"):  # what this process may use, where that can be known
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    @property
    def folder(self) -> Path:
        """Where agents of this user keep what they need."""
        if self.data_dir is not None:
            return self.data_dir
        import platformdirs

        return Path(platformdirs.user_data_dir(APPLICATION)) / "agent"

    def check(self) -> None:
        """Raise WrongOptions in words where something cannot be."""
        if self.protocol not in AGENT_PROTOCOLS:
            known = " and ".join(AGENT_PROTOCOLS)
            raise WrongOptions(f"there is no protocol {plain(self.protocol)!r}; there are {known}")
        if not 1 <= self.slots <= MAX_CAPACITY:
            raise WrongOptions(
                f"the capacity is {self.slots}, 1 to {MAX_CAPACITY} slots are needed"
            )
        if len(self.full_name) > MAX_NAME:
            raise WrongOptions(f"the name has more than {MAX_NAME} characters")
        for name, value in self.labels.items():
            if not name or len(name) > MAX_NAME or len(value) > MAX_NAME:
                raise WrongOptions(
                    f"the label {plain(name, 60)!r} is empty or longer than {MAX_NAME} characters"
                )
        if self.key_file is not None and self.cert is None:
            raise WrongOptions("a certificate's key was given, but no certificate")
        self._check_socket()
        self._check_listen()

    def _check_listen(self) -> None:
        if self.listen is None:
            if self.protocol == "traffic-light":
                raise WrongOptions(
                    "Traffic Light brings its runners their work: --listen HOST:PORT is needed"
                )
            return
        if self.protocol != "traffic-light":
            raise WrongOptions(
                f"--listen goes with the protocol traffic-light, not {self.protocol}"
            )
        try:
            parse_listen(self.listen)
        except ValueError as error:
            raise WrongOptions(f"--listen: {error}") from None

    def _check_socket(self) -> None:
        if self.tcp_socket is None:
            if self.protocol == "rrq":
                raise WrongOptions(f"RRQ's orchestrators connect to the runner: {OPTION} is needed")
            return
        if self.protocol != "rrq":
            raise WrongOptions(f"{OPTION} goes with the protocol rrq, this is {self.protocol}")
        try:
            parse_tcp_socket(self.tcp_socket)
        except ValueError as error:
            raise WrongOptions(f"{OPTION}: {error}") from None

"""The coordinator's configuration as it stands after reading: durations in milliseconds.

Defaults here are the only place where they are written; ``example-config.toml`` is held against
them by a test. Reading TOML, with its errors, is in :mod:`server.configuration`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Literal, TypeAlias

from server.model import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from server.wire.rrq_address import Address

DAY_MS = 86_400_000
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TlsSettings:
    certificate: str = ""
    key: str = ""
    client_ca: str = ""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    host: str = "127.0.0.1"
    port: int = 8700
    data_dir: Path | None = None
    """None: the user's data folder."""
    store: str = "sqlite"
    durability: Literal["full", "normal"] = "full"
    tls: TlsSettings = TlsSettings()


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where a secret is read from; the secret itself never stands in the configuration."""

    env: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class KeySettings:
    submit: SecretSource = SecretSource(env="TRAFFIC_SUBMIT_KEY")
    runner: SecretSource = SecretSource(env="TRAFFIC_RUNNER_KEY")
    read_only: SecretSource = SecretSource(env="TRAFFIC_READ_ONLY_KEY")
    operator: SecretSource = SecretSource(env="TRAFFIC_OPERATOR_KEY")
    admin: SecretSource = SecretSource(env="TRAFFIC_ADMIN_KEY")


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    heartbeat_timeout_ms: int = 90_000
    offer_timeout_ms: int = 15_000
    """An unconfirmed attempt goes back after this."""
    runner_active_ms: int = 300_000


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """Defaults for submits that say nothing."""

    max_attempts: int = 1
    policy: RetryPolicy = RetryPolicy()


@dataclass(frozen=True, slots=True)
class LabelRule:
    """Labels for runners that cannot state any."""

    match: str
    """Name or address, with ``*``."""
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    max_jobs: int = 3
    """Slots of runners that state no capacity."""
    labels: tuple[LabelRule, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueSettings:
    limit: int | None = None
    stall_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """What makes a job again and again."""

    cron: str = ""
    time_zone: str = "UTC"
    type: str = ""
    params: bytes = b"{}"
    """JSON."""
    queue: str = "default"
    priority: int = 0
    requires: Mapping[str, str] = field(default_factory=dict)
    timeout_ms: int = 0
    max_attempts: int = 0
    """0: as ``[retry]`` says."""
    correlation: Mapping[str, str] = field(default_factory=dict)
    overlap: Literal["skip", "queue", "replace"] = "skip"
    catch_up_ms: int = 0
    """How late the last run that was missed may still be made up for."""
    paused: bool = False


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    jobs_ms: int = 30 * DAY_MS
    output_ms: int = 7 * DAY_MS
    events_ms: int = 90 * DAY_MS


@dataclass(frozen=True, slots=True)
class StorageSettings:
    min_free: int = 1024 * MIB
    """Bytes; below it submits get 507, outcomes and stops still commit."""
    max_output: int = 64 * MIB
    """Bytes an attempt; head and tail are kept, the gap is marked."""


@dataclass(frozen=True, slots=True)
class RunpackSettings:
    enabled: bool = True
    public_job_detail: bool | Literal["loopback"] = "loopback"
    submit_per_minute: int = 10
    poll_per_minute: int = 60
    runner_per_minute: int = 120
    notify_relay: bool = True
    max_input_bytes: int = 102_400
    max_result_bytes: int = 512_000
    max_console_bytes: int = 1_048_576
    max_error_bytes: int = 10_240


@dataclass(frozen=True, slots=True)
class NativeV1Settings:
    enabled: bool = True
    webhook: str = "http://{ip}:{port}/internal/traffic-light/job/create"
    webhook_port: int = 3000
    webhook_values: Literal["strings", "numbers"] = "strings"
    webhook_timeout_ms: int = 5_000
    webhook_ca: str = ""
    """File of the authority of runners' certificates; empty: whom this box trusts."""
    allow: tuple[IPv4Network | IPv6Network, ...] = (
        IPv4Network("127.0.0.0/8"),
        IPv6Network("::1/128"),
    )
    """No key on this protocol: runners are admitted, and called, by address."""
    max_assignable_cursor_ms: int = 3_600_000
    """Longest piece of a range."""
    max_backfill_ms: int = 0
    """How far back ranges may reach; 0: no bound."""
    job_types: tuple[str, ...] = ("range",)


@dataclass(frozen=True, slots=True)
class RrqGroupSettings:
    """A group of RRQ runners: processes we start, or one that listens somewhere."""

    mode: Literal["managed", "external"] = "managed"
    cmd: tuple[str, ...] = ()
    tcp_socket: Address | None = None
    pool_size: int = 1
    max_in_flight: int = 10
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    protocol: Literal["1", "2"] = "2"
    types: tuple[str, ...] = ()
    """Empty: those that begin with the group's name and ``#``."""
    allowed_hosts: tuple[str, ...] = ()
    job_timeout_ms: int = 300_000
    ready_timeout_ms: int = 15_000
    response_timeout_ms: int = 0
    """From request to answer, whatever the deadline; 0: as long as the deadline allows."""
    stop_grace_ms: int = 5_000
    """From SIGTERM to SIGKILL."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RrqSettings:
    runners: Mapping[str, RrqGroupSettings] = field(default_factory=dict)
    default_runner: str = ""
    """Group of handlers whose type names none; empty: they have none."""
    routes: Mapping[str, str] = field(default_factory=dict)
    """Queue -> group of such handlers there; empty: none, nor the default one."""


Scope: TypeAlias = Literal["none", "own", "super"]
"""Which jobs a call may reach: none at all, the user's own, everybody's."""


@dataclass(frozen=True, slots=True)
class WorkernatorUser:
    """What a user, named by the certificate, may do."""

    start: Scope = "none"
    stop: Scope = "none"
    status: Scope = "none"
    output: Scope = "none"


@dataclass(frozen=True, slots=True)
class WorkernatorSettings:
    enabled: bool = False
    host: str = "127.0.0.1"
    port: int = 25555
    certificate: str = "server.pem"
    key: str = "server.key"
    client_ca: str = "ca.pem"
    max_output: int = 16 * 1024 * MIB
    """Bytes an attempt of a job that came in here: its readers want every one of them."""
    users: Mapping[str, WorkernatorUser] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SupervisorSettings:
    """A Treadmill supervisor that may connect."""

    id: str
    token: SecretSource
    tags: tuple[str, ...] = ()
    name: str = ""
    """Empty: its id."""
    ssh_endpoints: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ApiTokenSettings:
    """A token of Treadmill's REST, with what it allows."""

    name: str
    token: SecretSource
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TreadmillSettings:
    enabled: bool = True
    api_token: SecretSource = SecretSource(env="TRAFFIC_TREADMILL_TOKEN")
    """Allows everything."""
    job_timeout_ms: int = 3_600_000
    queue_timeout_ms: int = 1_800_000
    supervisors: tuple[SupervisorSettings, ...] = ()
    tokens: tuple[ApiTokenSettings, ...] = ()


@dataclass(frozen=True, slots=True)
class ProtocolSettings:
    runpack: RunpackSettings = RunpackSettings()
    native_v1: NativeV1Settings = NativeV1Settings()
    treadmill: TreadmillSettings = TreadmillSettings()
    workernator: WorkernatorSettings = field(default_factory=WorkernatorSettings)
    rrq: RrqSettings = RrqSettings()


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What a job of one type may use of its box; None: as much as there is."""

    memory: int | None = None
    """Bytes."""
    pids: int | None = None
    """Processes and threads at once."""
    cpu: float | None = None
    """Share of one core: 0.5 is half of one, 2 are two."""
    io: int | None = None
    """Bytes a second, read and written each, of every disk."""
    wall_ms: int | None = None
    """From start to end."""


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """What a Treadmill image is on this box: a job type, or else a command, a folder or both."""

    type: str = ""
    command: tuple[str, ...] = ()
    """Program and arguments; empty: the folder's own ``./start``."""
    folder: str = ""
    """Where it runs; empty: where the agent does."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Read by ``traffic-tui agent`` from its own box's configuration."""

    allow_command: bool = False
    isolation: Literal["auto", "require", "off"] = "auto"
    show: tuple[str, ...] = ()
    """Folders of the box that isolated commands can read, beside the system's."""
    share: tuple[str, ...] = ()
    """Folders of the box that isolated commands can read and write."""
    limits: Mapping[str, LimitSettings] = field(
        default_factory=lambda: {"command": LimitSettings(pids=1024)}
    )
    """By job type; only of those that run programs."""
    images: Mapping[str, ImageSettings] = field(default_factory=dict)
    """By the image's id, in lower case."""


@dataclass(frozen=True, slots=True)
class Settings:
    server: ServerSettings = ServerSettings()
    keys: KeySettings = KeySettings()
    leases: LeaseSettings = LeaseSettings()
    retry: RetrySettings = RetrySettings()
    runners: RunnerSettings = RunnerSettings()
    queues: Mapping[str, QueueSettings] = field(
        default_factory=lambda: {"default": QueueSettings()}
    )
    schedules: Mapping[str, ScheduleSettings] = field(default_factory=dict)
    retention: RetentionSettings = RetentionSettings()
    storage: StorageSettings = StorageSettings()
    protocols: ProtocolSettings = ProtocolSettings()
    agent: AgentSettings = AgentSettings()

    def max_output_of(self, origin: str) -> int:
        """Bytes of output that are kept of an attempt, by the way in of its job."""
        workernator = self.protocols.workernator
        if origin == "workernator":
            return max(workernator.max_output, self.storage.max_output)
        return self.storage.max_output

"""Every key of the configuration: its name, the setting it sets, what it accepts, what it means.

Reading, ``example-config.toml`` and ``config check`` all come from this one list; defaults stand
in :mod:`server.settings` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from server.configuration.image_kinds import Images
from server.configuration.kinds import (
    FOREVER_MS,
    Choice,
    Duration,
    Flag,
    Folder,
    Integer,
    Number,
    OptionalInteger,
    Size,
    Text,
)
from server.configuration.labels import LabelRules
from server.configuration.limit_kinds import Folders
from server.configuration.networks import Networks, TypeNames, WebhookTemplate
from server.configuration.rrq_routes import Routes
from server.configuration.secrets import Secret
from server.configuration.treadmill_kinds import ApiTokens, Supervisors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.configuration.kinds import Kind

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS


class Key(NamedTuple):
    """One key of the file."""

    path: str
    """As in the file, dotted."""
    setting: str
    """As in the settings, dotted."""
    kind: Kind
    comment: str
    sample: Mapping[str, Any] | None = None
    """Set: its value is a list of tables, or a table, and this one is shown, commented out, where
    there is none: an empty one would stand in the way of the first table that somebody adds."""


class Section(NamedTuple):
    """A table of the file."""

    path: str
    comment: str


class NotBuilt(NamedTuple):
    """A key or table that is documented, but that this version does not have."""

    path: str
    comment: str


SECTIONS = (
    Section("server", ""),
    Section("server.tls", "PEM files; wanted beyond loopback"),
    Section(
        "keys",
        'the name of an environment variable, {env = "..."} or {file = "..."}: never the secret '
        "itself",
    ),
    Section("leases", ""),
    Section("retry", "for submits that say nothing"),
    Section("runners", ""),
    Section("queues", "one table for each queue that is to differ"),
    Section("schedules", "jobs made again and again, one table for each schedule"),
    Section("retention", '"none" keeps for good'),
    Section("storage", ""),
    Section("agent", "read by `traffic-tui agent`, from its own box's configuration"),
    Section("agent.limits", "what a job may use; a submit may ask for less, never for more"),
    Section("protocols", ""),
    Section("protocols.native-v1", "Traffic Light runners"),
    Section("protocols.runpack", ""),
    Section("protocols.treadmill", "supervisors over WebSocket, and Treadmill's REST"),
    Section("protocols.workernator", "gRPC with mutual TLS; `traffic-tui certs` makes the files"),
    Section(
        "protocols.workernator.users",
        'by the certificate of the caller: "none", "own" or "super" for each call',
    ),
    Section("protocols.rrq", ""),
    Section(
        "protocols.rrq.runners",
        'RRQ runners, in groups of any name; jobs of type "NAME#handler" go to group NAME',
    ),
)

_RETENTION = Duration(least_ms=60_000, none_ms=FOREVER_MS)
_PER_MINUTE = Integer(0, 1_000_000)
_BODY = Size(least=1)

KEYS = (
    Key(
        "server.host", "server.host", Text(may_be_empty=False, longest=255), "address to listen on"
    ),
    Key("server.port", "server.port", Integer(0, 65535), "0: any free one"),
    Key(
        "server.data_dir",
        "server.data_dir",
        Folder(),
        "empty: the user's data folder (systemd's STATE_DIRECTORY where set)",
    ),
    Key("server.store", "server.store", Choice(("sqlite",)), ""),
    Key(
        "server.durability",
        "server.durability",
        Choice(("full", "normal")),
        '"full": every answer is synced; "normal": survives a crash, not a power cut',
    ),
    Key("server.tls.certificate", "server.tls.certificate", Text(), "with its chain"),
    Key("server.tls.key", "server.tls.key", Text(), ""),
    Key("server.tls.client_ca", "server.tls.client_ca", Text(), "set: clients need a certificate"),
    Key("keys.submit", "keys.submit", Secret(), ""),
    Key("keys.runner", "keys.runner", Secret(), ""),
    Key("keys.read_only", "keys.read_only", Secret(), ""),
    Key("keys.operator", "keys.operator", Secret(), ""),
    Key("keys.admin", "keys.admin", Secret(), ""),
    Key(
        "leases.heartbeat_timeout",
        "leases.heartbeat_timeout_ms",
        Duration(least_ms=200, most_ms=DAY_MS),
        "silence after which a runner's work goes elsewhere",
    ),
    Key(
        "leases.offer_timeout",
        "leases.offer_timeout_ms",
        Duration(least_ms=200, most_ms=DAY_MS),
        "an unconfirmed attempt goes back after this",
    ),
    Key(
        "leases.runner_active",
        "leases.runner_active_ms",
        Duration(least_ms=1000, most_ms=30 * DAY_MS),
        "how long a runner that only polls counts as there",
    ),
    Key("retry.max_attempts", "retry.max_attempts", Integer(1, 1000), ""),
    Key(
        "retry.base_delay",
        "retry.policy.base_delay_ms",
        Duration(most_ms=YEAR_MS),
        "before the second attempt",
    ),
    Key("retry.factor", "retry.policy.factor", Number(1, 100), "each delay is so much longer"),
    Key("retry.max_delay", "retry.policy.max_delay_ms", Duration(most_ms=YEAR_MS), ""),
    Key("retry.jitter", "retry.policy.jitter", Number(0, 1), "share of the delay; 0: none"),
    Key(
        "retry.max_losses",
        "retry.policy.max_losses",
        Integer(0, 1000),
        "attempts that may be lost with their runner; they do not count as tries",
    ),
    Key(
        "retry.restarts",
        "retry.policy.restarts",
        Integer(0, 1000),
        "how often a job that failed by such losses is made anew, as a new job",
    ),
    Key(
        "runners.max_jobs",
        "runners.max_jobs",
        Integer(1, 100_000),
        "slots of runners that state no capacity",
    ),
    Key(
        "runners.labels",
        "runners.labels",
        LabelRules(),
        "labels for runners that cannot state any, by name or address",
        {"match": "10.3.12.*", "labels": {"rack": "r12"}},
    ),
    Key("retention.jobs", "retention.jobs_ms", _RETENTION, "jobs that have ended"),
    Key("retention.output", "retention.output_ms", _RETENTION, "their console output"),
    Key("retention.events", "retention.events_ms", _RETENTION, "the audit log"),
    Key(
        "storage.min_free",
        "storage.min_free",
        Size(),
        "below it submits get 507; outcomes and stops still commit",
    ),
    Key(
        "storage.max_output",
        "storage.max_output",
        Size(least=1024),
        "an attempt; head and tail are kept, the gap is marked",
    ),
    Key("agent.allow_command", "agent.allow_command", Flag(), 'the job type "command"'),
    Key(
        "agent.isolation",
        "agent.isolation",
        Choice(("auto", "require", "off")),
        'of commands: "auto" as far as this box permits, "require" else none runs, "off"',
    ),
    Key(
        "agent.show",
        "agent.show",
        Folders(),
        "folders that isolated commands can read, beside the system's",
    ),
    Key(
        "agent.share",
        "agent.share",
        Folders(),
        "folders that isolated commands can read and write",
    ),
    Key(
        "agent.images",
        "agent.images",
        Images(),
        "Treadmill images by their ids: a job type, or a program or a folder of this box",
        {
            "ab" * 32: "greet",
            "cd" * 32: {"command": ["/srv/images/blink/run"], "folder": "/srv/images/blink"},
        },
    ),
    Key("protocols.native-v1.enabled", "protocols.native_v1.enabled", Flag(), ""),
    Key(
        "protocols.native-v1.webhook",
        "protocols.native_v1.webhook",
        WebhookTemplate(),
        "where a runner is given its work",
    ),
    Key(
        "protocols.native-v1.webhook_port",
        "protocols.native_v1.webhook_port",
        Integer(1, 65535),
        "of runners that name none",
    ),
    Key(
        "protocols.native-v1.webhook_values",
        "protocols.native_v1.webhook_values",
        Choice(("strings", "numbers")),
        'how cursors are written: "strings" or "numbers"',
    ),
    Key(
        "protocols.native-v1.webhook_timeout",
        "protocols.native_v1.webhook_timeout_ms",
        Duration(least_ms=100, most_ms=60_000),
        "a webhook that did not answer by then did not take the job",
    ),
    Key(
        "protocols.native-v1.webhook_ca",
        "protocols.native_v1.webhook_ca",
        Text(),
        "who signed their certificates, with https; else whom this box trusts",
    ),
    Key(
        "protocols.native-v1.allow",
        "protocols.native_v1.allow",
        Networks(),
        "no key on this protocol: runners are admitted by address, and no other is called",
    ),
    Key(
        "protocols.native-v1.max_assignable_cursor",
        "protocols.native_v1.max_assignable_cursor_ms",
        Duration(least_ms=1, most_ms=YEAR_MS),
        "longest piece of a range",
    ),
    Key(
        "protocols.native-v1.max_backfill",
        "protocols.native_v1.max_backfill_ms",
        Duration(most_ms=FOREVER_MS),
        "how far back ranges may reach; 0: no bound",
    ),
    Key(
        "protocols.native-v1.job_types",
        "protocols.native_v1.job_types",
        TypeNames(),
        "what these runners can do",
    ),
    Key("protocols.runpack.enabled", "protocols.runpack.enabled", Flag(), ""),
    Key(
        "protocols.runpack.public_job_detail",
        "protocols.runpack.public_job_detail",
        Choice((True, False, "loopback")),
        "true, false, or only when bound to loopback",
    ),
    Key(
        "protocols.runpack.submit_per_minute",
        "protocols.runpack.submit_per_minute",
        _PER_MINUTE,
        "per address; 0: off",
    ),
    Key("protocols.runpack.poll_per_minute", "protocols.runpack.poll_per_minute", _PER_MINUTE, ""),
    Key(
        "protocols.runpack.runner_per_minute",
        "protocols.runpack.runner_per_minute",
        _PER_MINUTE,
        "per runner",
    ),
    Key("protocols.runpack.notify_relay", "protocols.runpack.notify_relay", Flag(), "serves /poll"),
    Key("protocols.runpack.max_input_bytes", "protocols.runpack.max_input_bytes", _BODY, ""),
    Key("protocols.runpack.max_result_bytes", "protocols.runpack.max_result_bytes", _BODY, ""),
    Key("protocols.runpack.max_console_bytes", "protocols.runpack.max_console_bytes", _BODY, ""),
    Key("protocols.runpack.max_error_bytes", "protocols.runpack.max_error_bytes", _BODY, ""),
    Key("protocols.treadmill.enabled", "protocols.treadmill.enabled", Flag(), ""),
    Key(
        "protocols.treadmill.api_token",
        "protocols.treadmill.api_token",
        Secret(),
        "128 bytes in base64; allows everything on that REST",
    ),
    Key(
        "protocols.treadmill.job_timeout",
        "protocols.treadmill.job_timeout_ms",
        Duration(least_ms=1000, most_ms=YEAR_MS),
        "of jobs that come over that REST without one",
    ),
    Key(
        "protocols.treadmill.queue_timeout",
        "protocols.treadmill.queue_timeout_ms",
        Duration(least_ms=1000, most_ms=YEAR_MS),
        "how long they may wait for a supervisor",
    ),
    Key(
        "protocols.treadmill.supervisors",
        "protocols.treadmill.supervisors",
        Supervisors(),
        "those that may connect; token is 128 bytes in base64",
        {
            "id": "7d55ec6d-15e7-4b84-8c04-7c085fe60df4",
            "token": "TRAFFIC_SUPERVISOR_TOKEN",
            "tags": ["arm"],
            "name": "bench-1",
            "ssh_endpoints": ["bench-1.lab:2222"],
        },
    ),
    Key(
        "protocols.treadmill.tokens",
        "protocols.treadmill.tokens",
        ApiTokens(),
        "further tokens of that REST, each with what it allows",
        {
            "name": "ci",
            "token": "TRAFFIC_CI_TOKEN",
            "permissions": ["submit_job", "list_jobs", "list_supervisors"],
        },
    ),
    Key(
        "protocols.rrq.default_runner",
        "protocols.rrq.default_runner",
        Text(longest=100),
        'group for types without "NAME#" in submits and schedules; empty: they stay so',
    ),
    Key(
        "protocols.rrq.routes",
        "protocols.rrq.routes",
        Routes(),
        "the same for single queues",
        {"mail": "python"},
    ),
    Key("protocols.workernator.enabled", "protocols.workernator.enabled", Flag(), ""),
    Key(
        "protocols.workernator.host",
        "protocols.workernator.host",
        Text(may_be_empty=False, longest=255),
        "",
    ),
    Key("protocols.workernator.port", "protocols.workernator.port", Integer(0, 65535), ""),
    Key("protocols.workernator.certificate", "protocols.workernator.certificate", Text(), ""),
    Key("protocols.workernator.key", "protocols.workernator.key", Text(), ""),
    Key(
        "protocols.workernator.client_ca",
        "protocols.workernator.client_ca",
        Text(),
        "clients need a certificate of this authority",
    ),
    Key(
        "protocols.workernator.max_output",
        "protocols.workernator.max_output",
        Size(least=1024),
        "an attempt of a job that came in here; whole, up to this",
    ),
)

QUEUE_KEYS = (
    Key("limit", "limit", OptionalInteger(1, 1_000_000), '"none", or how many run at once'),
    Key(
        "stall_after",
        "stall_after_ms",
        Duration(least_ms=1000, most_ms=YEAR_MS, none_ms=0),
        "silence after which a running job is marked",
    ),
)
"""Keys of each ``[queues.NAME]``."""

NOT_BUILT: tuple[NotBuilt, ...] = ()

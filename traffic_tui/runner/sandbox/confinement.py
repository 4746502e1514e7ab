"""What is put around one program, and how that is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.settings import LimitSettings
from traffic_tui.runner.sandbox.limits import limit_names, limit_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from traffic_tui.runner.sandbox.cgroups.job_group import JobGroup
    from traffic_tui.runner.sandbox.plan import Room

SPACES = "user, pid, mount, net, uts, ipc"


@dataclass(frozen=True, slots=True)
class Confinement:
    """The room of one program, its limits, and its control group."""

    words: str
    """The truth about it, for people."""
    limits: LimitSettings = LimitSettings()
    room: Room | None = None
    group: JobGroup | None = None
    rlimits: Mapping[str, int] = field(default_factory=dict)


def confinement_words(
    why_not: str, shared: Sequence[str], limits: LimitSettings, held: Mapping[str, str]
) -> str:
    """For example "isolated: pid, net; memory 64 MiB by cgroup v1"."""
    parts = [f"not isolated: {why_not}" if why_not else f"isolated: {SPACES}"]
    if shared:
        parts.append(f"shares {', '.join(shared)}")
    return "; ".join([*parts, *limits_words(limits, held)])


def limits_words(limits: LimitSettings, held: Mapping[str, str]) -> list[str]:
    """Each limit and by what it is held: "memory 64 MiB by cgroup v1"."""
    return [
        f"{limit_words(name, limits)} {f'by {held[name]}' if name in held else 'NOT held'}"
        for name in limit_names(limits)
    ]

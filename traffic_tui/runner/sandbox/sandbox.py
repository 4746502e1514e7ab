"""How one agent keeps the programs it runs apart, as decided when it starts."""

from __future__ import annotations

import itertools
import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from server.settings import LimitSettings
from traffic_tui.runner.errors import RunnerError
from traffic_tui.runner.sandbox.cgroups.agent_groups import AgentGroups
from traffic_tui.runner.sandbox.confinement import Confinement, confinement_words, limits_words
from traffic_tui.runner.sandbox.leftovers import GroupRecord
from traffic_tui.runner.sandbox.limits import limit_names
from traffic_tui.runner.sandbox.plan import Room
from traffic_tui.runner.sandbox.probe import room_problem
from traffic_tui.runner.sandbox.starting import has_launcher
from traffic_tui.runner.sandbox.view import furniture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from traffic_tui.runner.sandbox.cgroups.hierarchies import Version
    from traffic_tui.runner.sandbox.cgroups.job_group import JobGroup
    from traffic_tui.runner.sandbox.plan import Step

log = logging.getLogger(__name__)

Isolation: TypeAlias = Literal["auto", "require", "off"]

SPARE_ID = 65534
"""Who the root of a room is on the host, where the agent may choose: nobody."""
ROOM_PROCESSES = 2
"""Processes of ours in a room; they count where processes are counted by user."""
SWITCHED_OFF = "switched off"
NO_LIMITS = LimitSettings()


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """What an agent's configuration says about it."""

    isolation: Isolation = "auto"
    limits: Mapping[str, LimitSettings] = field(default_factory=dict)
    """By job type."""
    show: tuple[str, ...] = ()
    share: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the host one program is to have."""

    env: Mapping[str, str]
    show: Mapping[str, str] = field(default_factory=dict)
    """Files, by the path at which they are seen: their real paths, as they were judged."""
    share: tuple[str, ...] = ()
    """Folders, by their real paths."""

    def steps(self) -> list[Step]:
        """How they are put in place."""
        shown: list[Step] = [("show", real, path) for path, real in self.show.items()]
        return [*shown, *(("share", path, path) for path in self.share)]


class Sandbox:
    """Made once for an agent; gives every program what is put around it."""

    def __init__(self, options: SandboxOptions, folder: Path | None = None) -> None:
        self.options = options
        self.why_not = SWITCHED_OFF if options.isolation == "off" else ""
        """Why programs have no room of their own; empty: they have."""
        self.private = () if folder is None else (str(folder.resolve()),)
        """Folders that no program may see."""
        self._groups = AgentGroups()
        self._record = None
        if folder is not None:
            self._record = GroupRecord(folder / "groups", self._groups.name)
        self._numbers = itertools.count(1)

    def open(self) -> None:
        """Find out what this box permits, and tidy up after agents that died.

        Raises:
            RunnerError: isolation is required, and not permitted here.
        """
        if not self.why_not:
            self.why_not = room_problem(self._room("probe", Asked({}))) or ""
        self._groups.open()
        if self._record is not None:
            try:
                self._record.open(self._groups.paths)
            except OSError as error:
                log.warning("what dead agents left cannot be tidied up: %s", error)
        if self.options.isolation == "require":
            try:
                self._check_required()
            except RunnerError:
                self.close()
                raise

    def close(self) -> None:
        self._groups.close()
        if self._record is not None:
            self._record.close()

    def forget_groups(self) -> None:
        """Do without control groups, as on a box where they are not permitted."""
        self._groups.close()

    @property
    def group_paths(self) -> list[str]:
        """Control groups that hold nothing but what this agent runs."""
        return self._groups.paths

    @property
    def is_roomy(self) -> bool:
        """Programs get namespaces of their own."""
        return not self.why_not

    def version_of(self, limit: str) -> Version | None:
        """Of the control groups that hold such limits here; None: none does."""
        return self._groups.version_of(limit)

    def limits_for(self, job_type: str) -> LimitSettings:
        return self.options.limits.get(job_type, NO_LIMITS)

    def words_for(self, job_type: str) -> str:
        """What a program of that type can count on, for people."""
        limits = self.limits_for(job_type)
        held = {name: by for name in limit_names(limits) if (by := self._expected(name))}
        return confinement_words(self.why_not, self.options.share, limits, held)

    def problems(self) -> list[str]:
        """What is not permitted here, each in words."""
        rooms = [] if not self.why_not else [f"no namespaces: {self.why_not}"]
        return [*rooms, *self._groups.problems]

    def confine(self, job: str, limits: LimitSettings, asked: Asked) -> Confinement:
        """What goes around one program.

        Raises:
            OSError: its group cannot be made, or what is required cannot be held.
        """
        group, held, rlimits = self._limited(limits)
        missing = [name for name in limit_names(limits) if name not in held]
        if missing and self.options.isolation == "require":
            if group is not None:
                group.discard()
            raise OSError(f"isolation is required, but nothing holds {', '.join(missing)}")
        room = self._room(job, asked, limits) if self.is_roomy else None
        shared = (*self.options.share, *asked.share) if self.is_roomy else ()
        words = confinement_words(self.why_not, shared, limits, held)
        return Confinement(words, limits, room, group, rlimits)

    def limit(self, limits: LimitSettings) -> Confinement:
        """Limits alone, for programs of our own. Raises OSError where no group can be made."""
        group, held, rlimits = self._limited(limits)
        words = "; ".join(limits_words(limits, held))
        return Confinement(words, limits, None, group, rlimits)

    # inside ------------------------------------------------------------------------------------

    def _limited(
        self, limits: LimitSettings
    ) -> tuple[JobGroup | None, dict[str, str], dict[str, int]]:
        """A group for one job, by what each limit is held, and what rlimits have to hold."""
        group = self._groups.make(str(next(self._numbers))) if self._groups.is_open else None
        held = {} if group is None else group.limit(limits)
        if limits.wall_ms is not None:
            held["wall"] = "the agent"
        return group, held, {"RLIMIT_CORE": 0, **self._rlimits(limits, held)}

    def _check_required(self) -> None:
        if self.why_not:
            raise RunnerError(
                f"isolation is required, but this box does not permit it: {self.why_not}; "
                "'traffic-tui doctor' says more, and isolation \"auto\" does without"
            )
        for job_type, limits in self.options.limits.items():
            missing = [name for name in limit_names(limits) if not self._expected(name)]
            if missing:
                raise RunnerError(
                    f"isolation is required, but limits of {job_type} cannot be held here: "
                    f"{', '.join(missing)}; {'; '.join(self._groups.problems)}"
                )

    def _room(self, job: str, asked: Asked, limits: LimitSettings = NO_LIMITS) -> Room:
        name = f"job-{''.join(letter for letter in job if letter.isalnum())[-12:]}"
        return Room(
            _id_outside(os.geteuid(), "uid"),
            _id_outside(os.getegid(), "gid"),
            name,
            furniture(
                home=asked.env.get("HOME", ""),
                host_name=name,
                shown=self.options.show,
                shared=self.options.share,
                asked=asked.steps(),
                covered=self.private,
                temporary_bytes=limits.memory,
            ),
        )

    def _expected(self, name: str) -> str:
        """By what a limit will be held; empty: by nothing."""
        if name == "wall":
            return "the agent"
        version = self.version_of(name)
        if version is not None:
            return f"cgroup v{version}"
        return self._rlimit(name)

    def _rlimit(self, name: str) -> str:
        if not has_launcher():
            return ""
        if name == "memory":
            return "rlimit, each process"
        if name == "pids" and (self.is_roomy or os.geteuid() != 0):
            return "rlimit"
        return ""

    def _rlimits(self, limits: LimitSettings, held: dict[str, str]) -> dict[str, int]:
        """For limits that no control group holds, as far as rlimits can; adds to ``held``."""
        rlimits: dict[str, int] = {}
        for name in limit_names(limits):
            if name in held or not (by := self._rlimit(name)):
                continue
            held[name] = by
            if name == "memory" and limits.memory is not None:
                rlimits["RLIMIT_AS"] = limits.memory
            elif name == "pids" and limits.pids is not None:
                rlimits["RLIMIT_NPROC"] = limits.pids + (ROOM_PROCESSES if self.is_roomy else 0)
        return rlimits


def _id_outside(own: int, kind: Literal["uid", "gid"]) -> int:
    """Who the root of a room is on the host: nobody, where we are root and may give that away."""
    if os.geteuid() != 0:
        return own
    try:
        lines = Path(f"/proc/self/{kind}_map").read_text().splitlines()
    except OSError:
        return own
    ranges = [[int(word) for word in line.split()] for line in lines]
    is_ours = any(first <= SPARE_ID < first + count for first, _, count in ranges)
    return SPARE_ID if is_ours else own

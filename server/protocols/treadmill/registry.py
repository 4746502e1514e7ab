"""The supervisors that the configuration names: they are known before they first connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.coordinator import Introduction
from server.protocols.treadmill.jobs import JOB_TYPE
from server.traits import TREADMILL

if TYPE_CHECKING:
    from collections.abc import Iterable

TAGGED = "true"
"""Value of the label that a tag becomes."""
ENDPOINTS_LABEL = "ssh-endpoints"


class Endpoint(NamedTuple):
    """Where a job on a supervisor's host is reached by ssh."""

    host: str
    port: int


class Supervisor(NamedTuple):
    """A registered supervisor."""

    id: str
    name: str
    tags: tuple[str, ...]
    ssh_endpoints: tuple[Endpoint, ...]
    open_to: tuple[str, ...] = ()
    """Names of the tokens that may run jobs on it, beside those that may do everything."""


def introduction(supervisor: Supervisor, *, address: str = "", version: str = "") -> Introduction:
    """A supervisor as a runner: one job at a time, its tags as labels."""
    labels = dict.fromkeys(supervisor.tags, TAGGED)
    labels.update(dict.fromkeys(map(permit_label, supervisor.open_to), TAGGED))
    if supervisor.ssh_endpoints:
        ends = (f"{host}:{port}" for host, port in supervisor.ssh_endpoints)
        labels[ENDPOINTS_LABEL] = " ".join(ends)[:200]
    return Introduction(
        protocol=TREADMILL.protocol,
        identity=supervisor.id,
        name=supervisor.name,
        capacity=1,
        types=(JOB_TYPE,),
        labels=labels,
        address=address,
        version=version,
    )


def permit_label(token_name: str) -> str:
    """The label of supervisors on which a token may run jobs, so that placement keeps to it."""
    return f"permits.{token_name}"


def tags_of(tag_config: str) -> tuple[str, ...]:
    """The tags of a ``;``-separated list: blanks count, empty ones do not."""
    return tuple(dict.fromkeys(tag for tag in tag_config.split(";") if tag))


def matching(supervisors: Iterable[Supervisor], tags: Iterable[str]) -> list[Supervisor]:
    """Those that have all the tags, connected or not."""
    wanted = set(tags)
    return [one for one in supervisors if wanted <= set(one.tags)]

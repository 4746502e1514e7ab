"""Whether the certificates of Workernator's port, and those a person names, can be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from traffic_tui.cli.finding import Finding

if TYPE_CHECKING:
    from server.settings import WorkernatorSettings
    from traffic_tui.cli.options import Where

WHAT = "certificates"
ADVICE = "traffic-tui certs init and certs issue make good ones"


def certificate_findings(settings: WorkernatorSettings, where: Where) -> list[Finding]:
    """Of the port where it is switched on, and of a certificate that was named with ``--cert``."""
    findings = []
    if settings.enabled:
        findings.append(_server_finding(settings))
    if where.certificate is not None:
        findings.append(_client_finding(where.certificate))
    return findings


def _server_finding(settings: WorkernatorSettings) -> Finding:
    from server.errors import TrafficError
    from server.protocols.workernator.tls import server_context

    try:
        server_context(settings)
    except TrafficError as error:
        return Finding("bad", WHAT, f"workernator: {error}", ADVICE)
    problem = _usage_problem(Path(settings.certificate))
    if problem:
        return Finding("bad", WHAT, f"{settings.certificate}: {problem}", ADVICE)
    if not settings.users:
        words = "workernator: there are no users, so nobody may do anything"
        return Finding("warn", WHAT, words, "[protocols.workernator.users.NAME] lets one in")
    return Finding("ok", WHAT, f"workernator: those of {settings.certificate} are good")


def _client_finding(certificate: Path) -> Finding:
    problem = _usage_problem(certificate)
    if problem:
        return Finding("bad", WHAT, f"{certificate}: {problem}", ADVICE)
    return Finding("ok", WHAT, f"{certificate} is good")


def _usage_problem(certificate: Path) -> str:
    from traffic_tui.certificates import usage_problem

    try:
        return usage_problem(certificate.read_bytes())
    except OSError as error:
        return f"it cannot be read: {error.strerror}"

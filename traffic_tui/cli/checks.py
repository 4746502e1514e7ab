"""The checks of ``doctor``, in the order of what depends on what. None changes anything."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from traffic_tui.cli.failures import CommandFailed
from traffic_tui.cli.finding import Finding
from traffic_tui.cli.settings import Start, StartFlags, read_start

if TYPE_CHECKING:
    from traffic_tui.cli.options import Where

LEAST_PYTHON = (3, 11)
LEAST_SQLITE = (3, 35, 0)
"""From here on there is RETURNING, which claims need."""
GOOD_SQLITE = (3, 40, 0)


def check_everything(flags: StartFlags, where: Where) -> list[Finding]:
    """All findings, so that one look says everything."""
    from traffic_tui.cli.checks_certificates import certificate_findings
    from traffic_tui.cli.checks_coordinator import coordinator_findings
    from traffic_tui.cli.checks_data import data_findings
    from traffic_tui.cli.checks_isolation import isolation_findings
    from traffic_tui.cli.checks_terminal import clock_finding, terminal_finding

    findings = [python_finding(), sqlite_finding()]
    start, finding = configuration_finding(flags)
    findings.append(finding)
    if start is not None:
        findings += data_findings(start)
        findings += coordinator_findings(start, where)
        findings += isolation_findings(start.settings.agent)
        findings += certificate_findings(start.settings.protocols.workernator, where)
    return [*findings, terminal_finding(), clock_finding()]


def python_finding() -> Finding:
    """Whether this interpreter is young enough."""
    words = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < LEAST_PYTHON:
        return Finding("bad", "python", words, "install Python 3.11 or later")
    return Finding("ok", "python", words)


def sqlite_finding() -> Finding:
    """Whether the SQLite that Python brings is young enough."""
    import sqlite3

    words = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < LEAST_SQLITE:
        return Finding("bad", "sqlite", words, "install a Python built with SQLite 3.35 or later")
    if sqlite3.sqlite_version_info < GOOD_SQLITE:
        return Finding("warn", "sqlite", words, "3.40 or later is faster and better tested")
    return Finding("ok", "sqlite", words)


def configuration_finding(flags: StartFlags) -> tuple[Start | None, Finding]:
    """The configuration as it would be used, if it can be."""
    try:
        start = read_start(flags)
    except CommandFailed as failure:
        return None, Finding("bad", "configuration", failure.message, "see 'config check'")
    words = str(start.configuration) if start.configuration else "none, all is at its default"
    return start, Finding("ok", "configuration", words)

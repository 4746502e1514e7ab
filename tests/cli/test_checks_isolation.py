"""What ``doctor`` says of isolation: what this box permits, and what to do where it does not."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from server.settings import AgentSettings
from tests.runner.sandboxes import opened_sandbox
from traffic_tui.cli.checks_isolation import isolation_findings, limits_finding, rooms_finding

ALLOWED = AgentSettings(allow_command=True)
WHY = "new namespaces: Operation not permitted"


def test_this_box_is_described_and_left_as_it_was() -> None:
    probe = opened_sandbox()
    parents = {Path(path).parent for path in probe.group_paths}
    probe.close()
    rooms, limits = isolation_findings(ALLOWED)
    assert (rooms.verdict, rooms.what) == ("ok", "isolation")
    assert rooms.words.endswith("user, pid, mount, net, uts, ipc")
    assert limits.what == "limits"
    mine = f"traffic-tui-{os.getpid()}-"
    assert [p for parent in parents for p in parent.iterdir() if p.name.startswith(mine)] == []


@pytest.mark.parametrize(
    ("settings", "verdict", "words"),
    [
        (ALLOWED, "warn", "a process group around them, no more"),
        (AgentSettings(), "ok", "not permitted: new namespaces"),
        (replace(ALLOWED, isolation="require"), "bad", "so no command runs here"),
        (replace(ALLOWED, isolation="off"), "ok", "switched off (agent.isolation); not permitted"),
    ],
)
def test_what_is_not_permitted_matters_where_it_is_used(
    settings: AgentSettings, verdict: str, words: str
) -> None:
    finding = rooms_finding(settings, WHY)
    assert finding.verdict == verdict
    assert words in finding.words
    assert bool(finding.advice) is (settings.isolation != "off")


def test_limits_that_nothing_holds_are_named() -> None:
    sandbox = opened_sandbox()
    sandbox.forget_groups()
    finding = limits_finding(ALLOWED, sandbox)
    sandbox.close()
    assert finding.verdict == "warn"
    assert finding.words.startswith("none by control groups; not memory, pids, cpu, io: ")
    assert "Delegate=yes" in finding.advice

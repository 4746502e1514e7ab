"""What ``doctor`` says of certificates, that of the original recipe included."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from server.settings import WorkernatorSettings, WorkernatorUser
from tests.protocols.workernator.test_access import faulty_client
from traffic_tui import certificates
from traffic_tui.cli.checks_certificates import certificate_findings
from traffic_tui.cli.options import Where

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> WorkernatorSettings:
    certificates.init(tmp_path, [])
    certificates.issue(tmp_path, "alice", "alice")
    return WorkernatorSettings(
        enabled=True,
        certificate=str(tmp_path / "server.pem"),
        key=str(tmp_path / "server.key"),
        client_ca=str(tmp_path / "ca.pem"),
        users={"alice": WorkernatorUser(start="own")},
    )


def test_good_ones(settings: WorkernatorSettings, tmp_path: Path) -> None:
    where = Where(certificate=tmp_path / "alice.pem")
    findings = certificate_findings(settings, where)
    assert [finding.verdict for finding in findings] == ["ok", "ok"]


def test_nothing_is_said_of_what_is_not_used(settings: WorkernatorSettings) -> None:
    assert certificate_findings(replace(settings, enabled=False), Where()) == []


def test_the_key_usage_of_the_original_recipe(
    settings: WorkernatorSettings, tmp_path: Path
) -> None:
    pem, _ = faulty_client(tmp_path, tmp_path)
    [_, finding] = certificate_findings(settings, Where(certificate=pem))
    assert (finding.verdict, "digitalSignature" in finding.words) == ("bad", True)
    assert "certs issue" in finding.advice


@pytest.mark.parametrize("file", ["certificate", "key", "client_ca"])
def test_files_that_are_missing(settings: WorkernatorSettings, file: str) -> None:
    broken = replace(settings, **{file: "/nowhere/missing.pem"})  # type: ignore[arg-type]
    [finding] = certificate_findings(broken, Where())
    assert (finding.verdict, "missing.pem" in finding.words) == ("bad", True)


def test_without_users_nobody_may_do_anything(settings: WorkernatorSettings) -> None:
    [finding] = certificate_findings(replace(settings, users={}), Where())
    assert finding.verdict == "warn"

"""Certificates that OpenSSL takes for what they say, and that are never lost to another."""

from __future__ import annotations

import ipaddress
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from traffic_tui import certificates
from traffic_tui.certificates import CertificateProblem

if TYPE_CHECKING:
    from pathlib import Path

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_an_authority_and_its_leaves(tmp_path: Path) -> None:
    made = certificates.init(tmp_path / "pki", ["control.example", "10.0.0.7"])
    made += certificates.issue(tmp_path / "pki", "laptop", "alice")
    names = ["ca.pem", "ca.key", "server.pem", "server.key", "laptop.pem", "laptop.key"]
    assert [path.name for path in made] == names
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600}
    assert stat.S_IMODE((tmp_path / "pki").stat().st_mode) == 0o700
    keys = {read(path).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            for path in made if path.suffix == ".pem"}  # fmt: skip
    assert len(keys) == 3


def test_the_server_answers_to_its_names(tmp_path: Path) -> None:
    certificates.init(tmp_path, ["control.example", "10.0.0.7", "localhost"])
    extension = read(tmp_path / "server.pem").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    names = extension.value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "control.example"]
    loopback = [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")]
    assert names.get_values_for_type(x509.IPAddress) == [
        *loopback,
        ipaddress.ip_address("10.0.0.7"),
    ]


def test_the_user_is_the_locality(tmp_path: Path) -> None:
    certificates.init(tmp_path, [])
    certificates.issue(tmp_path, "laptop", "Ada Lovelace, ümlaut")
    subject = read(tmp_path / "laptop.pem").subject
    fields = {
        NameOID.LOCALITY_NAME: "Ada Lovelace, ümlaut",
        NameOID.COMMON_NAME: "client",
        NameOID.ORGANIZATION_NAME: "Teleport",
        NameOID.ORGANIZATIONAL_UNIT_NAME: "workernator",
    }
    assert {oid: subject.get_attributes_for_oid(oid)[0].value for oid in fields} == fields


@needs_openssl
@pytest.mark.parametrize(("name", "purpose"), [("server", "sslserver"), ("alice", "sslclient")])
def test_openssl_takes_them_for_their_purpose_alone(
    tmp_path: Path, name: str, purpose: str
) -> None:
    certificates.init(tmp_path, [])
    certificates.issue(tmp_path, "alice", "alice")
    verify = ["openssl", "verify", "-x509_strict", "-CAfile", str(tmp_path / "ca.pem")]
    pem = str(tmp_path / f"{name}.pem")
    good = subprocess.run([*verify, "-purpose", purpose, pem], capture_output=True, timeout=20)
    assert good.returncode == 0, good.stderr
    other = "sslserver" if purpose == "sslclient" else "sslclient"
    bad = subprocess.run([*verify, "-purpose", other, pem], capture_output=True, timeout=20)
    assert bad.returncode != 0


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    certificates.init(tmp_path, [])
    certificates.issue(tmp_path, "alice", "alice")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CertificateProblem, match=r"ca\.pem is there already"):
        certificates.init(tmp_path, [])
    with pytest.raises(CertificateProblem, match=r"alice\.pem is there already"):
        certificates.issue(tmp_path, "alice", "mallory")
    (tmp_path / "alice.pem").unlink()
    with pytest.raises(CertificateProblem, match=r"alice\.key is there already"):
        certificates.issue(tmp_path, "alice", "mallory")
    del before[tmp_path / "alice.pem"]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["", "ca", "server", "../alice", "a/b", ".hidden", "a" * 65])
def test_names_that_cannot_name_files(tmp_path: Path, name: str) -> None:
    certificates.init(tmp_path, [])
    with pytest.raises(CertificateProblem, match="cannot name the files"):
        certificates.issue(tmp_path, name, "alice")


@pytest.mark.parametrize("user", ["", "a" * 129, "new\nline"])
def test_users_that_no_certificate_can_hold(tmp_path: Path, user: str) -> None:
    certificates.init(tmp_path, [])
    with pytest.raises(CertificateProblem, match="user's name"):
        certificates.issue(tmp_path, "alice", user)


@pytest.mark.parametrize("host", ["", "-" * 300, "a..b"])
def test_hosts_that_are_none(tmp_path: Path, host: str) -> None:
    with pytest.raises(CertificateProblem, match="no name of a host"):
        certificates.init(tmp_path / "pki", [host])
    assert not (tmp_path / "pki").exists()


def test_an_authority_that_is_missing_or_broken_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CertificateProblem, match="certs init"):
        certificates.issue(tmp_path, "alice", "alice")
    certificates.init(tmp_path, [])
    other = tmp_path / "other"
    certificates.init(other, [])
    (tmp_path / "ca.key").write_bytes((other / "ca.key").read_bytes())
    with pytest.raises(CertificateProblem, match="do not belong together"):
        certificates.issue(tmp_path, "alice", "alice")
    (tmp_path / "ca.key").write_text("rubbish")
    with pytest.raises(CertificateProblem, match="cannot be read"):
        certificates.issue(tmp_path, "alice", "alice")


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CertificateProblem):
        certificates.init(tmp_path / "file", [])


def test_what_is_sound_has_no_usage_problem(tmp_path: Path) -> None:
    certificates.init(tmp_path, [])
    certificates.issue(tmp_path, "alice", "alice")
    assert certificates.usage_problem((tmp_path / "alice.pem").read_bytes()) == ""
    assert "no certificate" in certificates.usage_problem(b"rubbish")

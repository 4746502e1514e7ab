"""Certificates for mutual TLS 1.3 that Go, OpenSSL and BoringSSL all accept.

Every certificate has a key of its own, says what it may be used for, and carries the subject that
Workernator's access list reads: the user's name is the locality of a client's certificate.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

ORGANIZATION = "Teleport"
UNIT = "workernator"
CA_DAYS = 3650
LEAF_DAYS = 730
MAX_USER = 128
"""Longest locality that a certificate takes, in characters."""
BACKDATED = timedelta(minutes=5)
"""Clocks of two boxes differ."""

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST_NAME = re.compile(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_OURS = ("ca", "server")


class CertificateProblem(Exception):
    """Certificates cannot be made, in words."""


class Pair(NamedTuple):
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def init(folder: Path, hosts: Sequence[str], *, now: datetime | None = None) -> list[Path]:
    """Make an authority and a server's certificate; the answer is the files that were written.

    Args:
        hosts: names and addresses of the server beside those of loopback.

    Raises:
        CertificateProblem: a file is there already, or cannot be written.
    """
    began = now or datetime.now(UTC)
    authority = _authority(began)
    server = _leaf(
        authority,
        _subject("server"),
        [ExtendedKeyUsageOID.SERVER_AUTH],
        began,
        _alternative_names(["localhost", "127.0.0.1", "::1", *hosts]),
    )
    return _write(folder, {**_files("ca", authority), **_files("server", server)})


def issue(folder: Path, name: str, user: str, *, now: datetime | None = None) -> list[Path]:
    """Make a client's certificate; the answer is the files that were written.

    Args:
        name: what the files are called.
        user: whom the access list sees.

    Raises:
        CertificateProblem: the authority cannot be used, a name is no good, a file is there.
    """
    if not _FILE_NAME.fullmatch(name) or name in _OURS:
        raise CertificateProblem(
            f"{name[:80]!r} cannot name the files: letters, digits, '.', '_' and '-' can, up to "
            "64 of them, but not ca or server"
        )
    if not 0 < len(user) <= MAX_USER or not user.isprintable():
        raise CertificateProblem(f"a user's name has 1 to {MAX_USER} printable characters")
    authority = _read_authority(folder)
    client = _leaf(
        authority,
        _subject("client", user),
        [ExtendedKeyUsageOID.CLIENT_AUTH],
        now or datetime.now(UTC),
    )
    return _write(folder, _files(name, client))


def usage_problem(certificate: bytes) -> str:
    """Why a PEM certificate is refused by OpenSSL and BoringSSL though Go takes it; empty: not."""
    try:
        found = x509.load_pem_x509_certificate(certificate)
        usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    except ValueError as error:
        return f"it is no certificate: {error}"
    if usage.digital_signature:
        return ""
    return "its key usage lacks digitalSignature, which TLS 1.3 needs; make a new one"


def _authority(now: datetime) -> Pair:
    key = _new_key()
    name = _subject("traffic-tui authority")
    builder = (
        _builder(name, name, key, now, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Pair(builder.sign(key, hashes.SHA256()), key)


def _leaf(
    authority: Pair,
    subject: x509.Name,
    uses: list[x509.ObjectIdentifier],
    now: datetime,
    names: x509.SubjectAlternativeName | None = None,
) -> Pair:
    key = _new_key()
    signer = authority.certificate.public_key()
    assert isinstance(signer, ec.EllipticCurvePublicKey)
    builder = (
        _builder(subject, authority.certificate.subject, key, now, LEAF_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return Pair(builder.sign(authority.key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _subject(common_name: str, user: str = "") -> x509.Name:
    parts = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANIZATION),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, UNIT),
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
    ]
    if user:
        parts.insert(2, x509.NameAttribute(NameOID.LOCALITY_NAME, user))
    return x509.Name(parts)


def _alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative_name(host) for host in dict.fromkeys(hosts)])


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        name = host.encode("idna").decode("ascii")
    except ValueError:
        name = ""
    if not _HOST_NAME.fullmatch(name):
        raise CertificateProblem(f"{host[:80]!r} is no name of a host, and no address")
    return x509.DNSName(name)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _files(name: str, pair: Pair) -> dict[str, bytes]:
    key = pair.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        f"{name}.pem": pair.certificate.public_bytes(serialization.Encoding.PEM),
        f"{name}.key": key,
    }


def _read_authority(folder: Path) -> Pair:
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    except FileNotFoundError as error:
        raise CertificateProblem(
            f"there is no {error.filename}; `traffic-tui certs init {folder}` makes an authority"
        ) from None
    except OSError as error:
        raise CertificateProblem(f"{error.filename}: {error.strerror}") from None
    except (ValueError, TypeError) as error:
        raise CertificateProblem(f"the authority in {folder} cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateProblem(f"{folder}/ca.key is no key of an authority made by this program")
    if key.public_key() != certificate.public_key():
        raise CertificateProblem(f"ca.key and ca.pem in {folder} do not belong together")
    return Pair(certificate, key)


def _write(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """All files or none, and none over another."""
    if there := [name for name in files if (folder / name).exists()]:
        raise CertificateProblem(
            f"{folder / there[0]} is there already and is not overwritten; choose another name "
            "or folder"
        )
    written: list[Path] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, data in files.items():
            written.append(_write_new(folder / name, data))
    except OSError as error:
        for path in written:
            with contextlib.suppress(OSError):
                path.unlink()
        raise CertificateProblem(f"{error.filename or folder}: {error.strerror}") from None
    return written


def _write_new(path: Path, data: bytes) -> Path:
    with _opened_new(path) as descriptor:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    return path


@contextlib.contextmanager
def _opened_new(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)

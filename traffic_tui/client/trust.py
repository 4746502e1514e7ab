"""Whom a client trusts, and what it shows of itself, on encrypted connections."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple

from traffic_tui.client.base import ClientError, Unreachable

if TYPE_CHECKING:
    from pathlib import Path


class Trust(NamedTuple):
    """PEM files; what is None is left to the system."""

    ca: Path | None = None
    """The authority of the server."""
    certificate: Path | None = None
    """Shown to a server that asks for one."""
    key: Path | None = None
    """Of the certificate; None: it stands in the same file."""


def tls_context(trust: Trust) -> ssl.SSLContext:
    """What connections are encrypted with.

    Raises:
        Unreachable: a file cannot be used, in words.
    """
    try:
        context = ssl.create_default_context(cafile=str(trust.ca) if trust.ca else None)
    except OSError as error:  # ssl's own errors are among these
        raise Unreachable(
            f"the CA file {trust.ca} cannot be used ({error.strerror or error}); it has to be "
            "a PEM file"
        ) from error
    if trust.certificate is not None:
        _show(context, trust.certificate, trust.key)
    return context


def _show(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except OSError as error:
        raise Unreachable(
            f"the certificate {certificate} with the key {key or certificate} cannot be used "
            f"({error.strerror or error}); both have to be PEM files that fit each other"
        ) from error


def _no_passphrase() -> str:
    """Without this OpenSSL would ask on the terminal, and wait."""
    raise ClientError(
        "the key of the certificate has a passphrase, which cannot be asked for here",
        code="bad_key",
        status=0,
    )

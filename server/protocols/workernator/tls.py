"""TLS 1.3 alone, with a certificate from every client; what was refused, and why, is logged."""

from __future__ import annotations

import logging
import ssl
import time
from typing import TYPE_CHECKING

from server.errors import TrafficError
from server.repeats import Repeats

if TYPE_CHECKING:
    from server.settings import WorkernatorSettings

KEY_USAGE_ADVICE = (
    "the client's certificate may not be used to sign: its key usage lacks digitalSignature, as in "
    "certificates made by Workernator's own recipe. Make a new one with `traffic-tui certs issue`"
)

logger = logging.getLogger(__name__)


def reporting_ssl_object() -> type[ssl.SSLObject]:
    """One that says why a handshake failed: the event loop alone would drop it without a word.

    Once a minute for each reason: no key is needed to fail.
    """
    repeats = Repeats()

    class ReportingSSLObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                words = refusal_words(error)
                if repeats.is_news(words, time.monotonic()):
                    logger.warning("a client was refused: %s", words)
                raise

    return ReportingSSLObject


def refusal_words(error: ssl.SSLError) -> str:
    """Why a handshake failed, for the log."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if "purpose" in error.verify_message:
            return KEY_USAGE_ADVICE
        return f"its certificate: {error.verify_message}"
    words = (error.reason or str(error)).lower().replace("_", " ")
    if "unsupported protocol" in words:
        return "it does not speak TLS 1.3"
    if "did not return a certificate" in words:
        return "it showed no certificate"
    return words


def server_context(settings: WorkernatorSettings) -> ssl.SSLContext:
    """What connections are encrypted with.

    Raises:
        TrafficError: the files cannot be used, in words.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = reporting_ssl_object()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (OSError, ssl.SSLError) as error:
        raise TrafficError(
            f"certificate {settings.certificate} and key {settings.key} cannot be used "
            f"({_reason(error)}); `traffic-tui certs init` makes a pair"
        ) from error
    try:
        context.load_verify_locations(settings.client_ca)
    except (OSError, ssl.SSLError) as error:
        raise TrafficError(
            f"client_ca {settings.client_ca} cannot be used ({_reason(error)})"
        ) from error
    return context


def _reason(error: OSError) -> str:
    return str(error.strerror or error).lower()

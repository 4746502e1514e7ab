"""Whose certificates runners may show where their webhooks are called over TLS."""

from __future__ import annotations

import ssl

from server.errors import TrafficError

KEY = "protocols.native-v1.webhook_ca"


def trusted_context(authority: str) -> ssl.SSLContext:
    """What calls are encrypted with.

    Args:
        authority: a PEM file; it alone is trusted then. Empty: those that this box trusts.

    Raises:
        TrafficError: the file cannot be used, in words.
    """
    try:
        return ssl.create_default_context(cafile=authority or None)
    except (OSError, ssl.SSLError) as error:
        raise TrafficError(
            f"{KEY}: {authority} cannot be used ({_reason(error)}); it takes a PEM file with the "
            "certificate of the authority of your runners' certificates"
        ) from error


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "there is no certificate in it"
    return str(error.strerror or error).lower()

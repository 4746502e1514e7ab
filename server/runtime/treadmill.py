"""Treadmill put together: tokens read from where the configuration says, desks, surface."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from server.configuration.treadmill_kinds import NAME_OF_ALL
from server.http.app import Surface
from server.protocols.treadmill.app import PREFIX, TreadmillApp
from server.protocols.treadmill.permissions import ADMIN, Clients, Holder, Token
from server.protocols.treadmill.registry import Endpoint, Supervisor
from server.protocols.treadmill.rest import RestApp
from server.protocols.treadmill.switchboard import Switchboard
from server.protocols.treadmill.tokens import token_bytes
from server.runtime.given_keys import read_secret
from server.runtime.http_server import PING_SECONDS, SILENCE_SECONDS
from server.runtime.problems import RuntimeProblem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.coordinator import Coordinator
    from server.settings import SecretSource, SupervisorSettings, TreadmillSettings

_RUN = "run_job_on_supervisor:"

logger = logging.getLogger(__name__)


class Treadmill(NamedTuple):
    """What the protocol consists of."""

    surface: Surface
    switchboard: Switchboard


def build_treadmill(
    coordinator: Coordinator, settings: TreadmillSettings, environment: Mapping[str, str]
) -> Treadmill:
    """The switchboard of a configuration.

    Raises:
        RuntimeProblem: a token is none, in words.
    """
    clients = Clients(_client_tokens(settings, environment))
    supervisors = [_supervisor(one, settings) for one in settings.supervisors]
    switchboard = Switchboard(coordinator, supervisors)
    rest = RestApp(coordinator, switchboard, clients, settings)
    tokens = _supervisor_tokens(settings, environment)
    app = TreadmillApp(switchboard, rest, tokens, keepalive=(PING_SECONDS, SILENCE_SECONDS))
    surface = Surface("treadmill", app, prefixes=(PREFIX,), speaks_websocket=True)
    return Treadmill(surface, switchboard)


def _supervisor(one: SupervisorSettings, settings: TreadmillSettings) -> Supervisor:
    open_to = [token.name for token in settings.tokens if f"{_RUN}{one.id}" in token.permissions]
    ends = tuple(Endpoint(host, port) for host, port in one.ssh_endpoints)
    return Supervisor(one.id, one.name or one.id, one.tags, ends, tuple(open_to))


def _supervisor_tokens(
    settings: TreadmillSettings, environment: Mapping[str, str]
) -> dict[str, bytes]:
    tokens: dict[str, bytes] = {}
    for one in settings.supervisors:
        token = _token(f"token of supervisor {one.id}", one.token, environment)
        if token is None:
            logger.warning("supervisor %s has no token, so it cannot connect", one.name or one.id)
        else:
            tokens[one.id] = token
    return tokens


def _client_tokens(settings: TreadmillSettings, environment: Mapping[str, str]) -> list[Token]:
    named: list[tuple[str, SecretSource, tuple[str, ...]]] = [
        (NAME_OF_ALL, settings.api_token, (ADMIN,))
    ]
    named += [(one.name, one.token, one.permissions) for one in settings.tokens]
    tokens: list[Token] = []
    for name, source, permissions in named:
        secret = _token(f"token {name}", source, environment)
        if secret is not None:
            tokens.append(Token(Holder(name, frozenset(permissions)), secret))
    return tokens


def _token(what: str, source: SecretSource, environment: Mapping[str, str]) -> bytes | None:
    """The bytes a source holds; None: the variable is not set."""
    text = read_secret(f"protocols.treadmill, {what}", source, environment)
    if not text:
        return None
    token = token_bytes(text)
    if token is None:
        raise RuntimeProblem(
            f"protocols.treadmill: the {what} is not 128 bytes in base64; make one with "
            "`head -c 128 /dev/urandom | base64 -w0`"
        )
    return token

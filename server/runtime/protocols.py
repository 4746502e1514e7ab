"""The protocols that are switched on: what each serves over HTTP, and what it does by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.http.app import Surface
from server.http.gate import Gate
from server.protocols.native_v1.app import PREFIX as NATIVE_V1_PREFIX
from server.protocols.native_v1.app import NativeV1App
from server.protocols.native_v1.service import NativeV1Service
from server.protocols.native_v1.switched_off import SwitchedOffNativeV1
from server.protocols.native_v2.app import PREFIX as NATIVE_V2_PREFIX
from server.protocols.native_v2.app import NativeV2App
from server.protocols.rrq.service import RrqService
from server.protocols.runpack.app import PATHS as RUNPACK_PATHS
from server.protocols.runpack.app import PREFIXES as RUNPACK_PREFIXES
from server.protocols.runpack.app import RunpackApp
from server.runtime.treadmill import build_treadmill

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from server.operator import OperatorApi
    from server.protocols.service import ProtocolService
    from server.settings import Settings


class Protocols(NamedTuple):
    """What the protocols of one coordinator consist of."""

    surfaces: Sequence[Surface]
    """Served on the HTTP port."""
    services: Sequence[ProtocolService]
    """Started after the HTTP server, in this order, and ended before it."""


def build_protocols(
    api: OperatorApi,
    settings: Settings,
    folder: Path | None,
    environment: Mapping[str, str],
    takes: Callable[[int], bool],
) -> Protocols:
    """The protocols of a configuration.

    Args:
        folder: the data folder, for what a protocol has to find again after a crash.
        environment: where tokens are looked up.
        takes: whether a connection that came in with this descriptor may stay.
    """
    coordinator, keyring = api.coordinator, api.keyring
    surfaces = [
        Surface(
            "native-v2",
            NativeV2App(coordinator, Gate(keyring, coordinator.clock)),
            prefixes=(NATIVE_V2_PREFIX.rstrip("/"),),
        )
    ]
    services: list[ProtocolService] = [RrqService(coordinator, settings, folder)]
    if settings.protocols.runpack.enabled:
        runpack = RunpackApp(coordinator, keyring)
        surfaces.append(Surface("runpack", runpack, prefixes=RUNPACK_PREFIXES, paths=RUNPACK_PATHS))
    if settings.protocols.native_v1.enabled:
        native_v1 = NativeV1App(coordinator)
        surfaces.append(Surface("native-v1", native_v1, prefixes=(NATIVE_V1_PREFIX,)))
        services.append(NativeV1Service(coordinator))
    else:
        services.append(SwitchedOffNativeV1(coordinator))
    if settings.protocols.treadmill.enabled:
        treadmill = build_treadmill(coordinator, settings.protocols.treadmill, environment)
        surfaces.append(treadmill.surface)
        services.append(treadmill.switchboard)
    if settings.protocols.workernator.enabled:
        # gRPC is loaded where it is served.
        from server.protocols.workernator.service import WorkernatorService

        workernator = settings.protocols.workernator
        services.append(WorkernatorService(coordinator, workernator, takes))
    return Protocols(surfaces, services)

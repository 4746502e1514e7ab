"""Everything that is served over HTTP, put together: protocols by their paths, then our own API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.http.app import HttpApp, Surface
from server.http.gate import Gate
from server.protocols.native_v2.app import PREFIX as NATIVE_V2_PREFIX
from server.protocols.native_v2.app import NativeV2App
from server.protocols.runpack.app import PATHS as RUNPACK_PATHS
from server.protocols.runpack.app import PREFIXES as RUNPACK_PREFIXES
from server.protocols.runpack.app import RunpackApp

if TYPE_CHECKING:
    from server.operator import OperatorApi
    from server.settings import Settings


def build_application(api: OperatorApi, settings: Settings) -> HttpApp:
    """The ASGI application of a coordinator, with the protocols that are switched on."""
    coordinator, keyring = api.coordinator, api.keyring
    gate = Gate(keyring, coordinator.clock)
    surfaces = [
        Surface(
            "native-v2",
            NativeV2App(coordinator, gate),
            prefixes=(NATIVE_V2_PREFIX.rstrip("/"),),
        )
    ]
    if settings.protocols.runpack.enabled:
        runpack = RunpackApp(coordinator, keyring)
        surfaces.append(Surface("runpack", runpack, prefixes=RUNPACK_PREFIXES, paths=RUNPACK_PATHS))
    return HttpApp(api, surfaces)

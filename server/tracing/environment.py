"""What the standard variables of OpenTelemetry ask for. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

DISABLED: Final = "OTEL_SDK_DISABLED"
EXPORTER: Final = "OTEL_TRACES_EXPORTER"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP_PROTOBUF: Final = "http/protobuf"


class TraceWish(NamedTuple):
    """Whether spans are wanted, and why they cannot be made as they are wanted."""

    is_wanted: bool
    problem: str = ""


def read_wish(environment: Mapping[str, str]) -> TraceWish:
    """What the environment asks for. Saying nothing asks for nothing, as it is not to cost."""
    if environment.get(DISABLED, "").strip().lower() == "true":
        return TraceWish(False)
    exporter = environment.get(EXPORTER, "").strip().lower()
    if exporter == "none" or not (exporter or any(environment.get(name) for name in ENDPOINTS)):
        return TraceWish(False)
    if exporter not in ("", "otlp"):
        return TraceWish(False, f"{EXPORTER}={exporter[:60]} is not built, only otlp: no spans")
    for name in PROTOCOLS:
        protocol = environment.get(name, "").strip().lower()
        if protocol and protocol != HTTP_PROTOBUF:
            words = f"{name}={protocol[:60]} is not built, only {HTTP_PROTOBUF}: no spans"
            return TraceWish(False, words)
        if protocol:
            break  # the one for traces says more than the one for everything
    return TraceWish(True)

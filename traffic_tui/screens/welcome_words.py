"""What the first run says: where one is, and how runners and fleets are connected."""

from __future__ import annotations

from urllib.parse import urlsplit

from traffic_tui.screens.wording import plural
from traffic_tui.state.formats import clean

NOTHING_CONNECTED = "Nothing is connected to it yet."


def welcome_words(
    url: str, data_folder: str, *, is_embedded: bool, runners: int
) -> tuple[list[str], list[tuple[str, str]]]:
    """What the first run says above its choices, and the facts below them."""
    connected = f"{plural(runners, 'runner')} connected." if runners else NOTHING_CONNECTED
    if is_embedded:
        intro = f"A coordinator is running in this window. {connected}"
        closing = "q stops the coordinator, or keeps it running without a console"
    else:
        intro = f"This console is on {clean(url)}. {connected}"
        closing = "q closes this console; the coordinator runs on"
    reach = "this box only; other boxes need TLS" if _is_loopback(url) else "other boxes too"
    facts = [("address", f"{clean(url)}   {reach}")]
    if data_folder:
        facts.append(("data", clean(data_folder)))
        facts.append(("keys", f"{clean(data_folder)}/keys.toml, readable by you alone"))
    return [intro], [*facts, ("closing", closing)]


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def invitation(url: str) -> list[str]:
    """How a runner on another box is added."""
    lines = [
        "here, once: a key for it, shown one time",
        "",
        "  traffic-tui keys create --name NAME --role runner",
        "",
        "there: the key in a file, then",
        "",
        f"  traffic-tui agent --url {clean(url)} --key-file FILE",
    ]
    if _is_loopback(url):
        lines += [
            "",
            "this coordinator listens on this box only: give it [server] host and",
            "[server.tls] in its configuration first, then use that address",
        ]
    return lines


def fleet_words(url: str, data_folder: str) -> list[str]:
    """How runners and clients of other systems are pointed here."""
    keys = f"{clean(data_folder)}/keys.toml" if data_folder else "the coordinator's keys.toml"
    return [
        "runners and clients of Runpack work as they are; give them",
        "",
        f"  address      {clean(url)}",
        f"  runner key   the key 'runner' in {keys}",
        f"  client key   the key 'submit' in {keys}",
        "",
        "the others work once the configuration says who may come:",
        "",
        "  Traffic Light   allow in [protocols.native-v1]: addresses of runners",
        "  RRQ             [protocols.rrq.runners.NAME]: pools to start or to dial",
        "  Treadmill       [[protocols.treadmill.supervisors]]: each with its token",
        "  Workernator     [protocols.workernator]: certificates, and who may do what",
        "",
        "they appear under :runners as soon as they say hello",
    ]

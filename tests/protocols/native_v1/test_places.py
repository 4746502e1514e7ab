"""Addresses in every form they come in."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from server.errors import Forbidden, InvalidInput
from server.model import Runner
from server.protocols.native_v1.places import (
    Place,
    admitted,
    callback_place,
    place_of,
    webhook_url,
)
from server.settings import NativeV1Settings

SETTINGS = NativeV1Settings(allow=(ip_network("10.3.0.0/16"), ip_network("fd00::/8")))
RUNNER = Runner(
    id=1,
    uuid="u",
    protocol="native-v1",
    identity="10.3.0.7:3000",
    name="10.3.0.7:3000",
    capacity=1,
    types=("range",),
    labels={},
    address="10.3.0.7",
    version="",
    registered_at=0,
    last_seen_at=0,
)


@pytest.mark.parametrize(
    ("address", "known_as"),
    [
        ("10.3.0.7", "10.3.0.7"),
        ("::ffff:10.3.0.7", "10.3.0.7"),
        ("FD00:0:0::1", "fd00::1"),
    ],
)
def test_admitted(address: str, known_as: str) -> None:
    assert admitted(address, SETTINGS) == known_as


@pytest.mark.parametrize(
    "address",
    ["10.4.0.1", "::ffff:10.4.0.1", "::1", "fe80::1%eth0", "", "lab-1", "10.3.0.7, 10.3.0.8"],
)
def test_not_admitted(address: str) -> None:
    with pytest.raises(Forbidden, match=r"protocols\.native-v1\.allow"):
        admitted(address, SETTINGS)


def test_a_place_is_found_in_the_identity() -> None:
    for place in (Place("10.3.0.7", 3000), Place("fd00::1", 4000)):
        runner = replace(RUNNER, identity=place.identity, address=place.address)
        assert place_of(runner) == place


def test_the_template_is_filled_and_a_runners_own_url_wins() -> None:
    assert webhook_url(RUNNER, SETTINGS) == (
        "http://10.3.0.7:3000/internal/traffic-light/job/create"
    )
    six = replace(RUNNER, identity="[fd00::1]:4000", address="fd00::1")
    template = replace(SETTINGS, webhook="https://{ip}:{port}/job")
    assert webhook_url(six, template) == "https://[fd00::1]:4000/job"
    portless = replace(SETTINGS, webhook="https://{ip}/job")
    assert webhook_url(RUNNER, portless) == "https://10.3.0.7/job"
    own = replace(RUNNER, endpoint="http://10.3.0.7:3000/hook")
    assert webhook_url(own, template) == "http://10.3.0.7:3000/hook"
    with pytest.raises(Forbidden):
        webhook_url(replace(own, address="10.4.0.1"), SETTINGS)


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("http://10.3.0.7/hook", "10.3.0.7", 80),
        ("https://10.3.0.7/hook?a=b", "10.3.0.7", 443),
        ("http://[fd00::0:1]:4000", "fd00::1", 4000),
        ("http://[::ffff:10.3.0.7]:4000", "10.3.0.7", 4000),
    ],
)
def test_a_callback_has_a_place(url: str, address: str, port: int) -> None:
    assert callback_place(url, address) == Place(address, port)
    with pytest.raises(InvalidInput, match="brought nowhere else"):
        callback_place(url, "10.3.0.8")

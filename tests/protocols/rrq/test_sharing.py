"""Ports, suspects, and who may take how much: what a group decides without talking to anybody."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, cast

import pytest

from server.clock import ManualClock
from server.protocols.rrq import ports
from server.protocols.rrq.group import Group
from server.protocols.rrq.names import handler_of, queue_key
from server.protocols.rrq.pauses import Pauses
from server.protocols.rrq.ports import PortBusy, PortPlan, free_port
from server.protocols.rrq.suspects import FORGET_SECONDS, MAX_SUSPECTS, Suspects
from server.rrq_routing import types_of
from server.settings import RrqGroupSettings
from server.wire.rrq_address import Address, read_address
from tests.ports import first_of_free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from server.coordinator import Coordinator
    from server.protocols.rrq.courier import Courier


class Carrier:
    """As much of a courier as sharing asks for."""

    def __init__(self, in_flight: int, *, takes_jobs: bool = True) -> None:
        self.in_flight = in_flight
        self.takes_jobs = takes_jobs


class NoCoordinator:
    clock = ManualClock()
    name = "01a20ef6-cfcb-70d6-a552-00b54b890883"


def group(max_in_flight: int, *carriers: Carrier) -> Group:
    made = Group(
        "py", RrqGroupSettings(max_in_flight=max_in_flight), cast("Coordinator", NoCoordinator())
    )
    for carrier in carriers:
        made.join(cast("Courier", carrier))
    return made


@pytest.mark.parametrize(
    ("own", "others", "free", "ended", "share"),
    [
        (0, [], 64, 0, 64),
        (0, [0], 64, 0, 8),
        (8, [8], 56, 0, 8),
        (40, [60], 24, 0, 24),
        (60, [0], 4, 0, 1),
        (8, [0], 0, 5, 0),
        (40, [0], 24, 20, 20),
        (40, [0], 24, 30, 24),
    ],
)
def test_nobody_takes_much_more_than_the_one_with_least(
    own: int, others: list[int], free: int, ended: int, share: int
) -> None:
    carriers = [Carrier(count) for count in (own, *others)]
    shared = group(64, *carriers)
    assert shared.share_of(cast("Courier", carriers[0]), free, ended) == share


def test_who_takes_nothing_is_not_waited_for() -> None:
    busy, full = Carrier(20), Carrier(0, takes_jobs=False)
    assert group(64, busy, full).share_of(cast("Courier", busy), 44, 0) == 44


def test_suspects_come_one_by_one() -> None:
    carrier = Carrier(0)
    shared = group(64, carrier)
    shared.suspects.note_crash(7)
    assert shared.share_of(cast("Courier", carrier), 64, 0) == 1
    shared.suspects.clear(7)
    assert shared.share_of(cast("Courier", carrier), 64, 0) == 64


@pytest.mark.parametrize(
    ("max_in_flight", "company"), [(64, [64, 8, 1, 1]), (10, [10, 1, 1, 1]), (1, [1, 1, 1, 1])]
)
def test_each_crash_leaves_less_company(max_in_flight: int, company: list[int]) -> None:
    suspects = Suspects(ManualClock(), max_in_flight)
    seen = []
    for _ in range(4):
        seen.append(suspects.company_of(7))
        suspects.note_crash(7)
    assert seen == company
    assert suspects.company_of(8) == max_in_flight


def test_suspicion_does_not_last_for_ever_nor_grow_without_end() -> None:
    clock = ManualClock()
    suspects = Suspects(clock, 64)
    suspects.note_crash(7)
    clock.advance(FORGET_SECONDS - 1)
    suspects.note_crash(8)
    assert suspects
    clock.advance(2)
    assert suspects
    assert suspects.company_of(7) == 64
    clock.advance(FORGET_SECONDS)
    assert not suspects
    for job in range(MAX_SUSPECTS + 5):
        suspects.note_crash(job)
    assert suspects.company_of(0) == 64
    assert suspects.company_of(MAX_SUSPECTS) == 8


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_taken_port_is_seen_and_a_free_one_again() -> None:
    port = first_of_free_ports(1)
    with socket.create_server(("127.0.0.1", port)):
        assert free_port("127.0.0.1", port) == 0
    assert free_port("127.0.0.1", port) == port


def test_ports_count_up_and_a_respawn_uses_none_up() -> None:
    first = first_of_free_ports(3)
    plan = PortPlan(Address("localhost", first), 3)
    chosen = [plan.choose(index) for index in range(3)]
    assert chosen == [Address("127.0.0.1", first + index) for index in range(3)]
    assert [plan.choose(1).port for _ in range(3)] == [first + 1] * 3


def test_a_port_behind_the_pools_is_taken_where_its_own_is_busy(taken: int) -> None:
    plan = PortPlan(Address("127.0.0.1", taken), 8)
    assert taken + 8 <= plan.choose(0).port < taken + 16


def test_when_all_are_busy_it_is_told() -> None:
    first = first_of_free_ports(2)
    plan = PortPlan(Address("127.0.0.1", first), 1)
    with (
        socket.create_server(("127.0.0.1", first)),
        socket.create_server(("127.0.0.1", first + 1)),
        pytest.raises(PortBusy, match=f"port {first} and 1 others are taken"),
    ):
        plan.choose(0)


def test_port_0_is_any_free_one_that_is_kept() -> None:
    plan = PortPlan(Address("127.0.0.1", 0), 2)
    one, other = plan.choose(0), plan.choose(1)
    assert one.port
    assert other.port
    assert plan.choose(0) == one


def test_port_0_is_none_that_another_process_is_about_to_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offered = iter([40_000, 40_000, 40_001])
    monkeypatch.setattr(ports, "free_port", lambda host, port: next(offered))
    plan = PortPlan(Address("127.0.0.1", 0), 2)
    assert [plan.choose(0).port, plan.choose(1).port] == [40_000, 40_001]


def test_pauses_double_up_to_the_longest() -> None:
    pauses = Pauses(0.1, 0.5)
    assert [pauses.next() for _ in range(5)] == [0.1, 0.2, 0.4, 0.5, 0.5]
    pauses.reset()
    assert pauses.next() == 0.1


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9000", Address("127.0.0.1", 9000)),
        (" localhost:0 ", Address("localhost", 0)),
        ("[::1]:9000", Address("::1", 9000)),
        ("[0:0:0:0:0:0:0:1]:9", Address("::1", 9)),
        ("box-7.lab:65535", Address("box-7.lab", 65535)),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert read_address(text) == address
    assert read_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9000",
        ":9000",
        "h:",
        "h:65536",
        "h:-1",
        "h:x",
        "::1:9",
        "[::1]",
        "[h]:1",
        "a b:1",
        "h:٣",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="has to"):
        read_address(text)


@pytest.mark.parametrize(
    ("job_type", "handler"),
    [("py#h", "h"), ("#h", "h"), ("py#", ""), ("plain", "plain"), ("a#b#c", "b#c")],
)
def test_handlers(job_type: str, handler: str) -> None:
    assert handler_of(job_type) == handler


def test_queues_and_types() -> None:
    assert queue_key("mail") == queue_key("rrq:queue:mail") == "rrq:queue:mail"
    assert types_of("py", RrqGroupSettings()) == ("py#*",)
    assert types_of("py", RrqGroupSettings(types=("img.*", "mail"))) == ("img.*", "mail")

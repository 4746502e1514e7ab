"""Which group of RRQ runners a job goes to that names none."""

from __future__ import annotations

import pytest

from server.rrq_routing import routed_type
from server.settings import ProtocolSettings, RrqGroupSettings, RrqSettings, Settings
from server.submission import job_specs
from server.wire.operator import SubmitRequest

GROUPS = {"py": RrqGroupSettings(), "img": RrqGroupSettings(types=("img#*", "thumb.*"))}
ROUTED = RrqSettings(
    GROUPS, default_runner="py", routes={"pictures": "img", "rrq:queue:old": "img", "boxes": ""}
)


@pytest.mark.parametrize(
    ("job_type", "queue", "routed"),
    [
        ("send_mail", "default", "py#send_mail"),
        ("#send_mail", "default", "py#send_mail"),
        ("send_mail", "pictures", "img#send_mail"),
        ("send_mail", "rrq:queue:pictures", "img#send_mail"),
        ("send_mail", "old", "img#send_mail"),
        ("send_mail", "boxes", "send_mail"),
        ("#send_mail", "boxes", "#send_mail"),
        ("py#send_mail", "pictures", "py#send_mail"),
        ("nobody#send_mail", "pictures", "nobody#send_mail"),
        ("py#", "pictures", "py#"),
        ("#", "pictures", "#"),
        ("a#b#c", "pictures", "a#b#c"),
        ("#b#c", "pictures", "img#b#c"),
        ("thumb.small", "default", "thumb.small"),
    ],
)
def test_where_a_job_goes(job_type: str, queue: str, routed: str) -> None:
    assert routed_type(ROUTED, job_type, queue) == routed


def test_without_routes_and_default_all_stays_as_it_is() -> None:
    for job_type in ("send_mail", "#send_mail", "py#send_mail"):
        assert routed_type(RrqSettings(GROUPS), job_type, "default") == job_type


def test_routes_alone_leave_other_queues_as_they_are() -> None:
    routed = RrqSettings(GROUPS, routes={"mail": "py"})
    assert routed_type(routed, "x", "mail") == "py#x"
    assert routed_type(routed, "x", "default") == "x"


def test_submits_are_routed_but_for_those_over_a_range() -> None:
    settings = Settings(protocols=ProtocolSettings(rrq=ROUTED))
    plain, ranged, named = job_specs(
        [
            SubmitRequest(type="x"),
            SubmitRequest(range=(0, 10)),
            SubmitRequest(type="y", range=(0, 10)),
        ],
        settings,
    )
    assert [one.type for one in (plain, ranged, named)] == ["py#x", "range", "y"]

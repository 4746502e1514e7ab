from __future__ import annotations

from traffic_tui.state.history import MAX_PLACES, History


def test_back_and_forward() -> None:
    history = History("jobs")
    assert history.back() is None
    history.visit("job 1")
    history.visit("output")
    assert history.back() == "job 1"
    assert history.back() == "jobs"
    assert history.forward() == "job 1"
    history.visit("runners")
    assert history.forward() is None
    assert history.here == "runners"


def test_minus_goes_to_and_fro() -> None:
    history = History("jobs")
    assert history.last_other() is None
    history.visit("runners")
    assert history.last_other() == "jobs"
    assert history.last_other() == "runners"


def test_the_same_place_twice_is_once_and_may_be_replaced() -> None:
    history = History("jobs")
    history.visit("jobs")
    assert not history.can_go_back
    history.replace("jobs state:failed")
    assert history.here == "jobs state:failed"


def test_it_is_bounded() -> None:
    history = History(0)
    for place in range(1, 500):
        history.visit(place)
    steps = 0
    while history.back() is not None:
        steps += 1
    assert steps == MAX_PLACES - 1

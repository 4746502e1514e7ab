from __future__ import annotations

from server.wire.operator import ProgressView
from tests.console.views import MINUTE, NOW, SECOND, job_times, job_view
from traffic_tui.state.estimate import UsualGaps, UsualRunTimes, range_words


def completed(number: int, minutes: int) -> object:
    times = job_times(started=NOW - minutes * MINUTE, ended=NOW)
    return job_view(number, "completed", times=times)


def test_no_estimate_below_five_finished_jobs() -> None:
    usual = UsualRunTimes()
    running = job_view(99, times=job_times(started=NOW - MINUTE))
    for number in range(4):
        usual.see(completed(number, 10))  # type: ignore[arg-type]
        usual.see(completed(number, 10))  # type: ignore[arg-type]
    assert usual.sample_count("resize-images") == 4
    assert usual.left(running, NOW) == ""
    usual.see(completed(4, 10))  # type: ignore[arg-type]
    running.progress = None
    assert usual.left(running, NOW) == "about 9m"


def test_what_is_left_is_a_range_and_progress_narrows_it() -> None:
    usual = UsualRunTimes()
    for number, minutes in enumerate((8, 9, 10, 11, 12, 20)):
        usual.see(completed(number, minutes))  # type: ignore[arg-type]
    running = job_view(99, times=job_times(started=NOW - 2 * MINUTE), progress=None)
    assert usual.left(running, NOW) == "7 to 10m"
    running.progress = ProgressView(current=50.0, total=100.0)
    assert usual.left(running, NOW) == "4 to 6m"
    assert usual.left(job_view(1, "pending"), NOW) == ""
    longer_than_all = job_view(98, times=job_times(started=NOW - 60 * MINUTE), progress=None)
    assert usual.left(longer_than_all, NOW) == ""


def test_ranges_say_a_unit_once() -> None:
    assert range_words(7 * MINUTE, 9 * MINUTE) == "7 to 9m"
    assert range_words(40 * SECOND, 3 * MINUTE) == "40s to 3m"
    assert range_words(0, 0) == "about 1s"


def test_usual_silence_is_learned_from_signs_of_life() -> None:
    gaps = UsualGaps()
    job = job_view(1, quiet_since=NOW)
    assert gaps.limit(job) is None
    for step in range(6):
        gaps.see(job_view(1, quiet_since=NOW + step * 10 * SECOND))
    assert gaps.limit(job) == 50 * SECOND
    assert gaps.limit(job_view(2, type="other")) is None


def test_chatty_jobs_are_not_called_silent_within_half_a_minute() -> None:
    gaps = UsualGaps()
    for step in range(20):
        gaps.see(job_view(1, quiet_since=NOW + step * 100))
    assert gaps.limit(job_view(1)) == 30 * SECOND

"""What was around a process and what it used, in words; from runners, so nothing is believed."""

from __future__ import annotations

from server.wire.operator import UsageView
from tests.console.views import attempt_view
from traffic_tui.state.usage_words import Around, around, seconds_words, usage_words, used

MIB = 1024 * 1024


def test_what_is_known_is_said() -> None:
    usage = UsageView(cpu_seconds=1.234, peak_memory_bytes=56 * MIB, io_bytes=3 * MIB)
    assert usage_words(usage) == "processor 1.2 s, memory 56 MB at most, disk 3.0 MB"
    assert usage_words(UsageView(cpu_seconds=0.0, io_bytes=0)) == "processor 0.00 s, disk 0 B"
    assert usage_words(UsageView()) == ""
    assert [seconds_words(value) for value in (0.256, 99.9, 12_345.6)] == [
        "0.26 s",
        "99.9 s",
        "12,346 s",
    ]


def test_the_newest_attempt_counts() -> None:
    first = attempt_view(1, isolation="isolated: pid", usage=UsageView(cpu_seconds=5))
    newest = attempt_view(1, isolation="not isolated: switched off")
    assert around([newest, first]) == Around("not isolated: switched off", "warn")
    assert used([newest, first]) == ""
    assert around([first]) == Around("isolated: pid", "plain")
    assert used([first]) == "processor 5.0 s"


def test_what_is_no_process_says_nothing() -> None:
    assert around([]) is None
    assert used([]) == ""
    assert around([attempt_view(1)]) is None


def test_hostile_words_do_no_harm() -> None:
    walls = around([attempt_view(1, isolation="isolated:\x1b[2J [bold]\npid")])
    assert walls is not None
    assert walls.words == "isolated: [bold] pid"

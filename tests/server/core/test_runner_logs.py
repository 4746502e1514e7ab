"""What runners print: the last lines of each, whatever they print and however much."""

from __future__ import annotations

from server.clock import ManualClock
from server.coordinator.runner_logs import MAX_CHARACTERS, MAX_LINE, MAX_LINES, RunnerLogs

LAB, OTHER = 1, 2


def logs() -> RunnerLogs:
    return RunnerLogs(ManualClock())


def texts(log: RunnerLogs, runner: int = LAB) -> list[str]:
    return [line.text for line in log.lines(runner)]


def test_lines_are_put_together_from_pieces_for_each_stream() -> None:
    log = logs()
    for stream, piece in (("stdout", b"one\ntw"), ("stderr", b"oh"), ("stdout", b"o\r\nth")):
        log.add(LAB, stream, piece)
    assert texts(log) == ["one", "two"]
    log.end_lines(LAB)
    assert [(line.stream, line.text) for line in log.lines(LAB)[2:]] == [
        ("stdout", "th"),
        ("stderr", "oh"),
    ]
    log.end_lines(LAB)
    assert len(log.lines(LAB)) == 4


def test_each_runner_has_its_own() -> None:
    log = logs()
    log.add(LAB, "stdout", b"mine\n")
    log.say(OTHER, "ours")
    assert (texts(log), texts(log, OTHER), texts(log, 3)) == (["mine"], ["ours"], [])
    assert log.lines(OTHER)[0].stream == "coordinator"


def test_no_more_is_kept_than_stated() -> None:
    log = logs()
    for number in range(3 * MAX_LINES):
        log.add(LAB, "stdout", b"%d\n" % number)
    assert len(texts(log)) == MAX_LINES
    assert texts(log)[-1] == str(3 * MAX_LINES - 1)
    for _ in range(200):
        log.add(LAB, "stdout", b"x" * 10_000 + b"\n")
    assert sum(map(len, texts(log))) <= MAX_CHARACTERS
    assert {len(text) for text in texts(log)} == {MAX_LINE}


def test_a_line_without_an_end_costs_no_more_than_a_long_one() -> None:
    log = logs()
    for _ in range(100):
        log.add(LAB, "stdout", b"x" * 65_536)
    log.add(LAB, "stdout", b"\nnext\n")
    assert [len(text) for text in texts(log)] == [MAX_LINE, 4]


def test_bytes_that_are_no_text_are_replaced() -> None:
    log = logs()
    log.add(LAB, "stdout", b"\xff\xfe\n")
    assert texts(log) == ["\ufffd\ufffd"]

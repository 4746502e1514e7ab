from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traffic_tui.client.base import OutputPart
from traffic_tui.state.output_lines import BLOCK_LINES, MAX_LINE_BYTES
from traffic_tui.state.output_rows import OutputRows
from traffic_tui.state.outputlog import CHUNK_BYTES, OutputLog
from traffic_tui.state.wrapping import WrapIndex, fold


def part(offset: int, data: bytes, **changes: Any) -> OutputPart:
    fields = {
        "size": offset + len(data),
        "is_complete": False,
        "generation": 0,
        "gap_from": 0,
        "gap_to": 0,
    }
    return OutputPart(offset=offset, data=data, **{**fields, **changes})


def texts(log: OutputLog) -> list[str]:
    return [log.line(log.id_at(index)).text() for index in range(log.line_count())]


def numbered(first: int, count: int) -> bytes:
    return b"".join(b"line %06d\n" % number for number in range(first, first + count))


LINE = len(numbered(0, 1))

raw_output = st.lists(
    st.sampled_from([b"a", b"bc", b"\n", b"\n\n", b"d" * 50, b"e" * (MAX_LINE_BYTES + 9), b"\r\n"]),
    max_size=30,
).map(b"".join)


@given(raw_output, st.data())
def test_pieces_of_any_size_give_the_same_lines_and_offsets(
    data: bytes, draw: st.DataObject
) -> None:
    log = OutputLog()
    log.open()
    position = 0
    log.load(part(0, b""))
    while position < len(data):
        step = draw.draw(st.integers(1, 6_000))
        log.load(part(position, data[position : position + step]))
        position += step
    expected = data.split(b"\n")
    if not expected[-1]:
        expected.pop()
    assert log.line_count() == len(expected)
    offset = 0
    for index, raw in enumerate(expected):
        line = log.line(log.id_at(index))
        assert line.offset == offset
        assert line.raw == raw[:MAX_LINE_BYTES]
        assert line.cut_bytes == max(0, len(raw) - MAX_LINE_BYTES)
        offset += len(raw) + 1


@given(st.lists(st.integers(1, 900), min_size=1, max_size=8), st.integers(0, 7))
def test_lines_keep_their_ids_while_others_come_and_go(sizes: list[int], at: int) -> None:
    log = OutputLog(max_lines=2_000)
    log.open()
    first = 0
    known: dict[int, str] = {}
    for size in sizes:
        log.load(part(first * LINE, numbered(first, size)))
        first += size
        for index in range(int(log.has_head_note), log.line_count()):
            line_id = log.id_at(index)
            text = log.line(line_id).text()
            assert known.setdefault(line_id, text) == text


def test_it_opens_at_the_end_and_drops_the_cut_first_line() -> None:
    log = OutputLog()
    assert log.open(["stdout"])[0] == ("stdout", -CHUNK_BYTES, CHUNK_BYTES)
    whole = numbered(0, 1_000)
    assert log.load(part(len(whole) - 35, whole[-35:]), "stdout")
    note, *lines = texts(log)
    assert lines == ["line 000998", "line 000999"]
    assert "not in this view" in note
    assert log.lines_before is None


def test_what_lies_before_can_be_loaded_without_moving_a_line() -> None:
    log = OutputLog()
    log.open()
    whole = numbered(0, 50_000)
    log.load(part(len(whole) - 10 * LINE, whole[-10 * LINE :]))
    anchor = log.id_at(3)
    wanted = log.ranges_before()[0]
    assert wanted.offset + wanted.limit == len(whole) - 9 * LINE
    data = whole[wanted.offset : wanted.offset + wanted.limit]
    assert not log.load(part(wanted.offset, data, size=len(whole)))
    assert log.line(anchor).text() == "line 049993"
    assert log.line_count() > 20_000
    first = log.line(log.id_at(1))
    assert first.text() == f"line {first.offset // LINE:06}"


def test_at_the_beginning_the_lines_before_are_known_and_there_is_no_note() -> None:
    log = OutputLog()
    log.open()
    whole = numbered(0, 100)
    log.load(part(500, whole[500:]))
    wanted = log.ranges_before()[0]
    log.load(part(wanted.offset, whole[: wanted.limit], size=len(whole)))
    assert log.lines_before == 0
    assert not log.has_head_note
    assert texts(log) == whole.decode().splitlines()
    assert log.ranges_before() == []


def test_memory_is_bounded_while_following() -> None:
    log = OutputLog(max_lines=5_000, max_bytes=400_000)
    log.open()
    for batch in range(40):
        log.load(part(batch * 1_000 * LINE, numbered(batch * 1_000, 1_000)))
    assert log.line_count() <= 5_001
    assert log.held_bytes <= 400_000
    assert log.line(log.id_at(log.line_count() - 1)).text() == "line 039999"
    assert log.lines_before == 40_000 - (log.line_count() - 1)
    assert "lines not in this view" in texts(log)[0]


def test_what_is_being_read_is_not_dropped() -> None:
    log = OutputLog(max_lines=3_000)
    log.open()
    log.load(part(0, numbered(0, 2_000)))
    log.hold()
    reading = log.id_at(10)
    ranges = log.tail_ranges(keep_from=reading)
    first = 2_000
    while ranges and first < 20_000:
        log.load(part(first * LINE, numbered(first, 500)), keep_from=reading)
        first += 500
        ranges = log.tail_ranges(keep_from=reading)
    assert first < 20_000
    assert log.line(reading).text() == "line 000010"
    assert log.new_lines == first - 2_000


def test_dropping_the_newest_leaves_them_to_be_fetched_again() -> None:
    log = OutputLog(max_lines=2_048)
    log.open()
    log.load(part(0, numbered(0, 2_000)))
    log.hold()
    reading = log.id_at(0)
    log.load(part(2_000 * LINE, numbered(2_000, 3_000)), keep_from=reading)
    assert log.line_count() <= 2_048 + BLOCK_LINES
    wanted = log.ranges_after()[0]
    assert wanted.offset % LINE == 0
    assert wanted.offset < 5_000 * LINE
    again = numbered(0, 5_000)[wanted.offset : wanted.offset + 10 * LINE]
    assert not log.load(part(wanted.offset, again, size=5_000 * LINE), keep_from=reading)


def test_following_far_behind_jumps_to_the_end() -> None:
    log = OutputLog()
    log.open()
    log.load(part(0, numbered(0, 10), size=50_000_000))
    assert log.tail_ranges() == [("", -CHUNK_BYTES, CHUNK_BYTES)]
    end = numbered(3_000_000, 10)
    assert log.load(part(50_000_000 - len(end), end))
    assert log.is_following and log.has_head_note


def test_an_open_last_line_grows_and_ends() -> None:
    log = OutputLog()
    log.open()
    log.load(part(0, b"one\ntw"))
    assert [log.line(one).kind for one in log.open_ids()] == ["partial"]
    log.load(part(6, b"o\n"))
    assert texts(log) == ["one", "two"]
    assert not log.open_ids()


def test_streams_keep_apart() -> None:
    log = OutputLog()
    log.open(["stdout", "stderr"])
    log.load(part(0, b"out 1\nou"), "stdout")
    log.load(part(0, b"err 1\ner"), "stderr")
    log.load(part(8, b"t 2\n"), "stdout")
    log.load(part(8, b"r 2\n"), "stderr")
    lines = [log.line(log.id_at(index)) for index in range(log.line_count())]
    assert [(line.stream, line.text()) for line in lines] == [
        ("stdout", "out 1"),
        ("stderr", "err 1"),
        ("stdout", "out 2"),
        ("stderr", "err 2"),
    ]
    assert lines[2].offset == 6
    assert log.total_bytes == 24


def test_repeats_and_overlaps_do_no_harm() -> None:
    log = OutputLog()
    log.open()
    data = numbered(0, 10)
    log.load(part(0, data))
    log.load(part(0, data))
    log.load(part(5 * LINE, data[5 * LINE :] + b"more\n"))
    assert texts(log) == [*data.decode().splitlines(), "more"]


def test_what_the_cap_left_out_is_a_line_of_its_own() -> None:
    log = OutputLog()
    log.open()
    log.load(part(0, b"head\ncut he"))
    gap = {"gap_from": 11, "gap_to": 5_000_011, "size": 5_000_020}
    assert not log.load(part(5_000_011, b"tail\nend\n", **gap))
    assert texts(log) == [
        "head",
        "cut he",
        "--- 4.8 MB not kept: the limit for output was reached ---",
        "tail",
        "end",
    ]


def test_the_part_before_what_the_cap_left_out_can_be_loaded() -> None:
    log = OutputLog()
    log.open()
    gap = {"gap_from": 10, "gap_to": 1_000, "size": 1_009}
    log.load(part(1_000, b"tail\nend\n", **gap))
    assert texts(log)[1:] == ["tail", "end"]
    assert log.ranges_before() == [("", 0, 10)]
    log.load(part(0, b"head\nmore\n", **gap))
    middle = "--- 990 B not kept: the limit for output was reached ---"
    assert texts(log) == ["head", "more", middle, "tail", "end"]
    assert log.ranges_before() == []


def test_after_what_was_left_out_the_part_before_is_asked_for_up_to_there() -> None:
    log = OutputLog()
    log.open()
    gap = {"gap_from": 10, "gap_to": 1_000, "size": 2_000}
    log.load(part(1_500, b"cut\n" + b"x\n" * 248, **gap))
    assert log.ranges_before() == [("", 1_000, 504)]


def test_a_line_longer_than_a_piece_does_not_stop_the_way_back() -> None:
    log = OutputLog()
    log.open()
    whole = b"y" * 600_000 + b"\n" + b"end\n"
    log.load(part(len(whole) - CHUNK_BYTES, whole[-CHUNK_BYTES:]))
    for _ in range(5):
        for wanted in log.ranges_before():
            data = whole[wanted.offset : wanted.offset + wanted.limit]
            log.load(part(wanted.offset, data, size=len(whole)))
    assert log.ranges_before() == []
    assert texts(log)[-1] == "end"


def test_replaced_output_begins_anew() -> None:
    log = OutputLog()
    log.open()
    log.load(part(0, b"old\n"))
    assert log.load(part(0, b"new\n", generation=1))
    assert texts(log) == ["new"]


def test_ended_output_asks_for_nothing_more() -> None:
    log = OutputLog()
    log.open()
    log.load(part(0, b"all\n", is_complete=True))
    assert log.is_complete
    assert log.tail_ranges() == []


def test_a_byte_is_found_in_its_line() -> None:
    log = OutputLog()
    log.open()
    log.load(part(0, numbered(0, 3_000) + b"open"))
    for offset, text in ((0, "line 000000"), (2_500 * LINE + 5, "line 002500")):
        line_id = log.id_at_offset(offset)
        assert line_id is not None and log.line(line_id).text() == text
    last = log.id_at_offset(3_000 * LINE + 2)
    assert last is not None and log.line(last).text() == "open"
    assert log.id_at_offset(10_000_000) is None
    assert log.id_at_offset(0, "stderr") is None


def test_text_is_found_forwards_and_backwards() -> None:
    log = OutputLog()
    log.open()
    log.load(part(0, b"one Error\ntwo\nthree error\n"))
    first, last = log.id_at(0), log.id_at(2)
    assert log.find("error", first) == first
    assert log.find("error", first + 1) == last
    assert log.find("Error", first + 1) is None
    assert log.find("error", last - 1, is_backwards=True) == first


@given(st.lists(st.integers(0, 90), max_size=40), st.integers(4, 40), st.integers(1, 30))
def test_folded_rows_and_lines_agree(lengths: list[int], width: int, dropped: int) -> None:
    log = OutputLog()
    log.open()
    data = b"".join("ä\t漢x".encode() * (length // 4) + b"\n" for length in lengths) + b"o" * 33
    log.load(part(0, data))
    index = WrapIndex(log)
    index.update(width)
    row = 0
    for place in range(log.line_count()):
        line_id = log.id_at(place)
        rows = len(fold(log.line(line_id).runs(), width))
        assert index.row_of(line_id) == row
        for within in range(rows):
            assert index.locate(row + within) == (line_id, within)
        row += rows
    assert index.total() == row


@pytest.mark.parametrize("width", [2, 7, 80])
def test_folding_loses_nothing(width: int) -> None:
    log = OutputLog()
    log.open()
    log.load(part(0, "\x1b[31m漢字 and\x1b[0m plain\n".encode()))
    runs = log.line(log.id_at(0)).runs()
    rows = fold(runs, width)
    joined = "".join(run.text for row in rows for run in row)
    assert joined == "".join(run.text for run in runs)


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 700)), max_size=12), st.booleans())
def test_matching_rows_are_those_of_a_whole_search(
    steps: list[tuple[bool, int]], is_held: bool
) -> None:
    whole = numbered(0, 20_000)
    log = OutputLog(max_lines=2_500)
    rows = OutputRows(log)
    rows.only_text = "7"
    log.open()
    middle = 10_000 * LINE
    log.load(part(middle, whole[middle : middle + 50 * LINE]))
    if is_held:
        log.hold()
    for is_forward, lines in steps:
        window = log.window()
        assert window is not None
        end = window.end if is_forward else window.start
        start = end if is_forward else max(0, end - lines * LINE)
        stop = min(len(whole), end + lines * LINE) if is_forward else end
        keep = log.id_at(log.line_count() // 2) if is_held else None
        log.load(part(start, whole[start:stop]), keep_from=keep)
        ids = range(log.oldest_id, log.first_open_id)
        expected = [one for one in ids if "7" in log.line(one).text()]
        assert [rows.locate(row)[0] for row in range(rows.count())] == expected
        for row, line_id in enumerate(expected):
            assert rows.row_of(line_id) == row


def test_what_was_there_when_the_reader_stopped_is_not_new() -> None:
    log = OutputLog()
    whole = numbered(0, 3_000)
    log.open()
    log.load(part(len(whole) - 11, whole[-11:], is_complete=False))
    log.hold()
    log.load(part(0, whole[:1_100], size=len(whole)))
    log.load(part(1_100, whole[1_100:], size=len(whole)))
    assert log.new_lines == 0
    more = numbered(3_000, 2)
    log.load(part(len(whole), more))
    assert log.new_lines == 2

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from traffic_tui.state.selection import Selection

orders = st.lists(st.integers(0, 40), unique=True, min_size=1, max_size=30)


@given(orders, st.data())
def test_the_cursor_stays_on_its_row_wherever_that_goes(
    first: list[int], data: st.DataObject
) -> None:
    selection: Selection[int] = Selection()
    selection.replace(first)
    selection.move_to(data.draw(st.integers(0, len(first) - 1)))
    key = selection.key
    before = selection.index
    second = data.draw(orders)
    moved = selection.replace(second)
    if key in second:
        assert selection.key == key
    assert selection.index == before + moved
    assert second[selection.index] == selection.key


@given(orders, st.data())
def test_marks_survive_any_refresh(first: list[int], data: st.DataObject) -> None:
    selection: Selection[int] = Selection()
    selection.replace(first)
    marked = data.draw(st.sets(st.sampled_from(first)))
    selection.mark_all(marked)
    selection.replace(data.draw(orders))
    assert selection.marks == marked
    assert set(selection.chosen()) == marked or (
        not marked and selection.chosen() == [selection.key]
    )


def test_where_the_row_has_gone_the_cursor_is_on_the_one_that_followed() -> None:
    selection: Selection[int] = Selection()
    selection.replace([5, 4, 3, 2, 1])
    selection.select(3)
    selection.replace([9, 8, 7, 5, 4, 2, 1])
    assert selection.key == 2
    selection.select(1)
    selection.replace([9, 8, 2])
    assert selection.key == 2


def test_an_empty_list_has_no_cursor_and_no_targets() -> None:
    selection: Selection[str] = Selection()
    selection.replace(["a"])
    selection.replace([])
    assert selection.key is None
    assert selection.chosen() == []
    assert not selection.move_to(3)
    selection.toggle_mark()
    assert not selection.marks
    selection.replace(["b", "c"])
    assert selection.key == "b"


def test_the_same_list_may_be_changed_in_place() -> None:
    rows = list(range(100, 0, -1))
    selection: Selection[int] = Selection()
    selection.replace(rows)
    selection.select(50)
    rows[:0] = [103, 102, 101]
    assert selection.replace(rows) == 3
    assert selection.key == 50


def test_a_range_marks_all_between() -> None:
    selection: Selection[int] = Selection()
    selection.replace([5, 4, 3, 2, 1])
    selection.move_to(1)
    selection.start_range()
    selection.move_to(3)
    assert selection.end_range() == {4, 3, 2}
    assert selection.chosen() == [4, 3, 2]
    assert selection.end_range() == frozenset()


def test_forgotten_rows_are_not_acted_on() -> None:
    selection: Selection[int] = Selection()
    selection.replace([3, 2, 1])
    selection.mark_all([3, 1])
    selection.forget([3])
    assert selection.chosen() == [1]
    selection.clear_marks()
    assert selection.chosen() == [3]


def test_a_row_that_jumped_far_is_found() -> None:
    selection: Selection[int] = Selection()
    selection.replace(list(range(10_000)))
    selection.select(9_999)
    assert selection.replace(list(reversed(range(10_000)))) == -9_999
    assert selection.key == 9_999

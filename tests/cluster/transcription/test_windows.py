"""Windows over numbered items: every item is in one, and none is longer than asked for."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from cluster.transcription.windows import Window, windows


def cut(numbers: list[int], size: int = 5, overlap: int = 2) -> list[tuple[int, int]]:
    numbered = ((number, number) for number in numbers)
    found = list(windows(numbered, size, overlap, go_together=lambda one, other: one // 100 == other // 100))
    assert all(window.items == tuple(range(window.first, window.stop)) for window in found)
    return [(window.first, window.stop) for window in found]


def test_windows_overlap_and_the_last_one_is_as_long_as_the_others() -> None:
    assert cut([*range(11)]) == [(0, 5), (3, 8), (6, 11)]
    assert cut([*range(9)]) == [(0, 5), (3, 8), (4, 9)]
    assert cut([*range(5)]) == [(0, 5)]
    assert cut([*range(3)]) == [(0, 3)]
    assert cut([]) == []
    assert cut([*range(6)], size=2, overlap=0) == [(0, 2), (2, 4), (4, 6)]


def test_a_missing_number_and_another_kind_of_item_begin_another_run() -> None:
    assert cut([1, 2, 3, 7, 8, 9, 10, 11, 12]) == [(1, 4), (7, 12), (8, 13)]
    assert cut([97, 98, 99, 100, 101]) == [(97, 100), (100, 102)]


def test_no_more_than_a_window_of_items_is_held() -> None:
    taken = 0

    def numbered() -> Iterator[tuple[int, int]]:
        nonlocal taken
        for taken in range(1_000):
            yield taken, taken

    for window in windows(numbered(), 10, 4, go_together=lambda one, other: True):
        assert window.stop == taken + 1


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 9), st.data())
def test_every_item_is_in_a_window(present: list[bool], size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size // 2))
    numbers = [number for number, here in enumerate(present) if here]
    found = [Window(first, tuple(range(first, stop))) for first, stop in cut(numbers, size=size, overlap=overlap)]
    assert sorted({number for window in found for number in window.items}) == numbers
    assert all(len(window.items) <= size for window in found)
    assert [window.first for window in found] == sorted({window.first for window in found})

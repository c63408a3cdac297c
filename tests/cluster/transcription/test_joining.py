"""Words of overlapping windows: each once, wherever the windows begin and however they disagree by a frame."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from classifiers.inference.lip_reader import ReadWord
from cluster.transcription.joining import WordJoiner
from cluster.transcription.windows import windows

FPS, SIZE, OVERLAP = 25, 75, 26


def word(text: str, start: int, end: int) -> ReadWord:
    """A word by its frames."""
    return ReadWord(text, Fraction(start, FPS), Fraction(end, FPS), 0.5)


def joined(*parts: tuple[int, int, list[ReadWord]]) -> list[str]:
    joiner = WordJoiner()
    for first, stop, words in parts:
        joiner.add(Fraction(first, FPS), Fraction(stop, FPS), words)
    return [one.word for one in joiner.words]


def test_words_before_the_middle_are_of_the_first_window_and_others_of_the_second() -> None:
    first = [word("bin", 40, 50), word("blue", 55, 61), word("a", 65, 75)]
    second = [word("n", 50, 52), word("blue", 55, 61), word("at", 65, 76)]
    assert joined((0, 75, first), (50, 125, second)) == ["bin", "blue", "at"]


def test_a_word_in_the_middle_is_there_once_whatever_the_windows_say() -> None:
    for early, late in ((58, 60), (62, 64)):  # either window on the other side of the middle
        for one, other in ((early, late), (late, early)):
            first, second = [word("blue", one, one + 5)], [word("glue", other, other + 5)]
            assert len(joined((0, 75, first), (50, 125, second))) == 1


def test_windows_that_do_not_overlap_keep_all_words() -> None:
    assert joined((0, 75, [word("bin", 70, 75)]), (75, 150, [word("bin", 75, 80)])) == ["bin", "bin"]
    assert joined((0, 75, [word("bin", 70, 75)]), (90, 150, [])) == ["bin"]


@given(
    lengths=st.lists(st.tuples(st.integers(4, 11), st.integers(3, 30)), max_size=20),
    tail=st.integers(0, 90),
    jitter=st.randoms(use_true_random=False),
    shows_cut_words=st.booleans(),
)
def test_any_windows_of_known_words_give_each_word_once(
    lengths: list[tuple[int, int]], tail: int, jitter: object, shows_cut_words: bool
) -> None:
    """Times differ by a frame from window to window, and words are cut, or missed, where a window begins or ends."""
    known: list[tuple[int, int]] = []
    at = 0
    for length, pause in lengths:
        known.append((at + pause, at + pause + length))
        at = known[-1][1]
    joiner = WordJoiner()
    frames = ((number, number) for number in range(at + tail + 1))
    for window in windows(frames, SIZE, OVERLAP, go_together=lambda one, other: True):
        words = []
        for number, (start, end) in enumerate(known):
            is_whole = window.first <= start and end <= window.stop
            seen = max(start, window.first), min(end, window.stop)
            if is_whole:
                moves = sorted(jitter.choice((-1, 0, 1)) for _ in range(2))  # type: ignore[attr-defined]
                words.append(word(str(number), start + moves[0], end + moves[1]))
            elif shows_cut_words and seen[0] < seen[1]:
                words.append(word(f"part of {number}", *seen))
        joiner.add(Fraction(window.first, FPS), Fraction(window.stop, FPS), words)
    assert [one.word for one in joiner.words] == [str(number) for number in range(len(known))]

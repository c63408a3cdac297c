from __future__ import annotations

import pytest

from cluster.storage.exclusion import HIDDEN, Exclusion, is_pattern


@pytest.mark.parametrize(
    "path",
    [
        ".hidden.mp4",
        ".git/a.mp4",
        "talks/.ipynb_checkpoints/a.mp4",
        ".Trash-1000/files/a.mp4",
        "a/.snapshot/b/c.mp4",
        "@eaDir/a.mp4/thumb.mp4",
        "lost+found/a.mp4",
        "$RECYCLE.BIN/a.mp4",
        "$Recycle.Bin/a.mp4",
        "System Volume Information/a.mp4",
    ],
)
def test_hidden_names_and_those_of_systems_are_left_out(path: str) -> None:
    assert HIDDEN.leaves_out(path)


@pytest.mark.parametrize("path", ["a.mp4", "talks/v1.2/a.b.mp4", "lost+found.mp4", "a..mp4", "trash/a.mp4", "_a/b.mp4"])
def test_other_names_are_not(path: str) -> None:
    assert not HIDDEN.leaves_out(path)


@pytest.mark.parametrize(
    ("pattern", "out", "kept"),
    [
        ("trailers", ["trailers/a.mp4", "2024/trailers/b/c.mp4"], ["trailers.mp4", "old trailers/a.mp4"]),
        ("*.part.mp4", ["a.part.mp4", "x/y/b.part.mp4"], ["a.mp4", "part.mp4"]),
        ("2019/*", ["2019/a.mp4", "2019/x/a.mp4"], ["2019.mp4", "x/2019/a.mp4"]),
        ("/raw", ["raw/a.mp4"], ["x/raw/a.mp4"]),
        ("raw/", ["raw/a.mp4", "x/raw/a.mp4"], ["raw.mp4"]),
        ("*/raw", ["x/raw/a.mp4"], ["raw/a.mp4", "x/y/raw/a.mp4"]),
        ("**/raw/*.mkv", ["raw/a.mkv", "x/y/raw/a.mkv"], ["raw/a.mp4"]),
        ("[0-9].mp4", ["x/1.mp4"], ["x/a.mp4", "10.mp4"]),
        ("A.mp4", ["A.mp4"], ["a.mp4"]),
        ("caf\udce9*", ["caf\udce9.mp4"], ["caf.mp4"]),
    ],
)
def test_patterns(pattern: str, out: list[str], kept: list[str]) -> None:
    exclusion = Exclusion([pattern])
    assert is_pattern(pattern)
    assert [path for path in out + kept if exclusion.leaves_out(path)] == out


def test_any_of_several_patterns_counts_beside_hidden_names() -> None:
    exclusion = Exclusion(["a", "b.mp4"])
    assert [exclusion.leaves_out(path) for path in ("a/x.mp4", "x/b.mp4", ".c/x.mp4", "x.mp4")] == [True] * 3 + [False]
    shown = [exclusion.leaves_out(path, with_hidden=True) for path in ("a/x", "x/b.mp4", ".c/x.mp4", "@eaDir/x")]
    assert shown == [True, True, False, True]


def test_patterns_that_match_nothing_are_known() -> None:
    exclusion = Exclusion(["a", "*.mp4", "b"])
    assert exclusion.leaves_out("a/x.mp4")
    assert not exclusion.leaves_out("c")
    assert exclusion.unused == {"b"}


@pytest.mark.parametrize("text", ["", " ", "/", "a**", "a**b/c", "**.mp4"])
def test_what_is_no_pattern(text: str) -> None:
    assert not is_pattern(text)

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from cluster.datasets.label_cells import MAX_CHARACTERS, is_printed, labels_of, shown


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        (None, ()),
        ("", ()),
        (" ; ", ()),
        ("cat", ("cat",)),
        (" cat ; big dog;;", ("cat", "big dog")),
        ("7", (7,)),
        ("3;4", (3, 4)),
        (5, (5,)),
        ([0, "12", "cat"], (0, 12, "cat")),
        ("['cat', 'big dog']", ("cat", "big dog")),
        ('["cat", "it\'s"]', ("cat", "it's")),
        ("['a;b', \"it's\", ]", ("a;b", "it's")),
        ("[ 'a' ,'b']", ("a", "b")),
        ("[1, 2]", (1, 2)),
        ("['1', '2']", (1, 2)),
        ('["é", "\\u00e9"]', ("é", "é")),
        ("[7]", (7,)),
        ("[]", ()),
        # Names, not lists.
        ("[music]", ("[music]",)),
        ("(sitting, standing)", ("(sitting, standing)",)),
        ("don't [stop]", ("don't [stop]",)),
        ("{x}", ("{x}",)),
        ("[draft] talk", ("[draft] talk",)),
        ("['a'", ("['a'",)),
        ("-1", ("-1",)),
    ],
)
def test_cells(cell: Any, labels: tuple[int | str, ...]) -> None:
    assert labels_of(cell) == labels


@pytest.mark.parametrize(
    "cell",
    [
        "['a' 'b']",  # numpy
        "[1 2]",
        "[a, b]",
        "array(['a', 'b'], dtype=object)",
        "('a', 'b')",
        "{'a', 'b'}",
        "['it\\'s']",
        "['a', None]",
        "[__import__('os').system('true'), 'a']",
        "['a' if True else 'b']",
        "[" * 50_000 + "'a'" + "]" * 50_000,
    ],
)
def test_lists_that_cannot_be_read_are_refused(cell: str) -> None:
    with pytest.raises(
        ValueError, match="are a list that cannot be read: separate them by ';', or write JSON"
    ) as caught:
        labels_of(cell)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        (True, "a label is a class index or a name, not True"),
        (0.5, "not 0.5"),
        ("[0.5, true]", "not 0.5"),
        ('["a", ["b"]]', r"not \['b'\]"),
        ([-1], "a class index is between 0 and 2147483647, not -1"),
        ("2147483648", "not '2147483648'"),
        ("9" * 5000, "a class index is between"),
        ("x" * (MAX_CHARACTERS + 1), f"label is longer than {MAX_CHARACTERS} characters"),
        (["\ud800"], "half of a surrogate pair"),
    ],
)
def test_what_is_no_label(cell: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        labels_of(cell)
    assert len(str(caught.value)) < 250


@pytest.mark.timeout(20)
@pytest.mark.parametrize("inner", [" " * 100_000 + "x", "'" * 100_000, "1 " * 60_000 + "x", ",'" * 50_000])
def test_long_cells_are_read_in_linear_time(inner: str) -> None:
    for cell in (f"[{inner}]", f"['{inner}"):
        is_printed(cell)
        with suppress(ValueError):
            labels_of(cell)


def test_values_are_shown_shortened() -> None:
    assert shown("two") == "'two'"
    assert len(shown("x" * 1000)) == 80
    assert len(shown([["x" * 1000] * 100] * 100)) < 4000

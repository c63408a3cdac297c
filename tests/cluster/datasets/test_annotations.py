from __future__ import annotations

import pyarrow as pa

from cluster.datasets.annotations import annotations_of, emptied
from cluster.datasets.vocabulary import Vocabulary
from schemas.videos import Video


def table(**rows: tuple[list[int], str]) -> pa.Table:
    labels, splits = zip(*rows.values(), strict=True)
    return pa.table(
        {
            "id": list(rows),
            "labels": pa.array(labels, pa.list_(pa.int32())),
            "frames": list(range(len(rows))),
            "split": list(splits),
        }
    )


def test_a_column_that_is_empty_for_all_says_nothing():
    assert not annotations_of([Video("a", "a"), Video("b", "b")], Vocabulary())
    given = annotations_of([Video("a", "a", split="test"), Video("b", "b")], Vocabulary())
    rows = table(a=([1], "train"), b=([2], "train"), c=([3], "train"))
    assert given.outdated(rows) == ["a", "b"]
    assert given.apply(rows).to_pydict() == {
        "id": ["a", "b", "c"],
        "labels": [[1], [2], [3]],
        "frames": [0, 1, 2],
        "split": ["test", "", "train"],
    }


def test_labels_are_compared_in_their_order():
    given = annotations_of([Video("a", "a", labels=("dog", "cat")), Video("b", "b")], Vocabulary(["cat", "dog"]))
    rows = table(a=([1, 0], ""), b=([], ""), c=([0], ""))
    assert given.outdated(rows) == []
    assert given.outdated(table(a=([0, 1], ""), b=([1], ""))) == ["a", "b"]
    assert given.apply(rows).equals(rows)


def test_rows_that_lose_their_labels_are_counted():
    before = table(a=([1], ""), b=([1, 2], ""), c=([], ""))
    assert emptied(before, table(a=([], ""), b=([2], ""), c=([], ""))) == 1
    assert emptied(before, before) == emptied(before.slice(0, 0), before.slice(0, 0)) == 0

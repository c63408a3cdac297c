"""Which small files go together."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

import pytest

from cluster.compaction.groups import SmallFile, groups_of

ROWS, BYTES = 100, 1000


def small(name: str, rows: int, size_bytes: int = 0, kind: str = "") -> SmallFile:
    return SmallFile(f"features/{name}.parquet", None, rows, size_bytes, kind)


def names(*files: SmallFile, rows: int = ROWS) -> list[str]:
    return [" ".join(file.name[:-8] for file in group) for group in groups_of(files, rows, BYTES)]


def test_neighbours_go_together_up_to_a_limit_of_rows_and_of_bytes() -> None:
    assert names(small("c", 40), small("b", 40), small("a", 20), small("d", 1), small("e", 1)) == ["a b c", "d e"]
    assert names(*(small(name, 1, 400) for name in "abcde")) == ["a b", "c d"]


def test_kinds_are_kept_apart() -> None:
    assert names(small("a", 1, kind="x"), small("b", 1, kind="y"), small("c", 1, kind="x")) == ["a c"]


def test_a_file_that_would_be_alone_stays() -> None:
    assert names(small("a", 1)) == names() == []
    assert names(small("a", 60), small("b", 60)) == []


@pytest.mark.parametrize("seed", range(100))
def test_any_files_are_grouped_within_the_limits_and_a_second_time_nothing_is_left_to_do(seed: int) -> None:
    rng = random.Random(seed)
    below = rng.choice((ROWS // 2, ROWS))
    kinds = "xyz"[: rng.randint(1, 3)]
    files = [
        small(f"{number:04d}", rng.randrange(1, below), rng.randrange(BYTES // 3), rng.choice(kinds))
        for number in rng.sample(range(1000), rng.randrange(60))
    ]
    groups = groups_of(rng.sample(files, len(files)), ROWS, BYTES)
    grouped = [file for group in groups for file in group]
    assert max(Counter(grouped).values(), default=1) == 1
    assert set(grouped) <= set(files)
    for group in groups:
        assert len(group) > 1
        assert len({file.kind for file in group}) == 1
        assert sum(file.rows for file in group) <= ROWS
        assert sum(file.size_bytes for file in group) <= BYTES
        assert [file.name for file in group] == sorted(file.name for file in group)
    joined = [
        SmallFile(group[-1].uri, None, sum(f.rows for f in group), sum(f.size_bytes for f in group), group[-1].kind)
        for group in groups
    ]
    after = sorted([*(set(files) - set(grouped)), *joined], key=lambda file: file.name)
    for kind in "xyz":
        of_kind = [file for file in after if file.kind == kind]
        assert not any(_fit(one, other) for one, other in pairwise(of_kind)), "neighbours are joined where they fit"
    if below == ROWS // 2:
        still_small = [file for file in after if file.rows < below and file.size_bytes < BYTES // 2]
        assert groups_of(still_small, ROWS, BYTES) == []
        assert max(Counter(file.kind for file in still_small).values(), default=0) <= 1


def _fit(one: SmallFile, other: SmallFile) -> bool:
    return one.rows + other.rows <= ROWS and one.size_bytes + other.size_bytes <= BYTES

"""Options of a compaction."""

from __future__ import annotations

import pytest

from cluster.compaction.config import CompactionOptions
from cluster.runs.command_line import parse
from schemas.errors import InputError


def options(*given: str) -> CompactionOptions:
    return parse(CompactionOptions, ["--output", "o", *given])


@pytest.mark.parametrize(
    ("given", "below"), [((), 512), (("--rows-per-shard", "7"), 4), (("--small-rows", "1024"), 1024)], ids=str
)
def test_files_of_fewer_than_half_of_the_usual_rows_are_small(given: tuple[str, ...], below: int) -> None:
    assert options(*given).below_rows == below


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (("--small-rows", "1025"), "--small-rows must be at most --rows-per-shard, 1024, not 1025"),
        (("--rows-per-shard", "1"), "--rows-per-shard must be at least 2, not 1"),
        (("--partition", "5/4"), "--partition must be a number and how many there are, such as 1/4, not '5/4'"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(given: tuple[str, ...], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        options(*given)
    assert caught.value.problems == (problem,)

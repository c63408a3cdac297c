from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cluster.engines.beam_groups import OutcomeGroups


@pytest.fixture
def groups() -> Iterator[OutcomeGroups]:
    with closing(OutcomeGroups()) as groups:
        yield groups


def test_tasks_that_follow_are_known(groups: OutcomeGroups) -> None:
    assert "a" not in groups
    assert list(groups.add("a", b"a0", ["a1"])) == []
    assert ("a" in groups, "a1" in groups) == (False, True)
    assert list(groups.add("a1", b"a1", [])) == [b"a0", b"a1"]
    assert "a1" not in groups


def test_a_group_comes_out_as_a_whole(groups: OutcomeGroups) -> None:
    assert list(groups.add("a", b"a0", ["a1", "a2"])) == []
    assert list(groups.add("b", b"b0", ["b1"])) == []
    assert list(groups.add("a2", b"a2", [])) == []
    assert list(groups.add("b1", b"", [])) == [b"b0", b""]
    assert list(groups.add("a1", b"a1", [])) == [b"a0", b"a2", b"a1"]


def test_outcomes_of_no_use_complete_a_group_all_the_same(groups: OutcomeGroups) -> None:
    assert list(groups.add("a", b"a0", ["a1", "a2"])) == []
    assert list(groups.add("a1", None, [])) == []
    assert list(groups.add("a2", None, [])) == [b"a0"]
    assert list(groups.add("b", None, ["b1"])) == []
    assert list(groups.add("b1", None, [])) == []


def test_what_follows_from_those_that_follow_belongs_to_the_group(groups: OutcomeGroups) -> None:
    assert list(groups.add("a", b"a", ["b"])) == []
    assert list(groups.add("b", b"b", ["c"])) == []
    assert list(groups.add("c", b"c", [])) == [b"a", b"b", b"c"]


def test_nothing_is_left_on_the_disk(groups: OutcomeGroups) -> None:
    folder = Path(groups._folder.name)
    list(groups.add("a", b"a0", ["a1"]))
    assert len(list(folder.iterdir())) == 1
    list(groups.add("a1", b"a1", []))
    assert not list(folder.iterdir())
    groups.close()
    assert not folder.exists()

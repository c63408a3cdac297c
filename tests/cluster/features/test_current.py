"""The feature files that count, listed and opened while a compaction is at work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.features.columns import read_index
from cluster.features.current import current_files
from cluster.features.files import FeatureFileError, open_features
from schemas.errors import InputError
from schemas.replaced import replaced_metadata
from tests.support.features import feature_row, write_shard
from tests.support.shards import commit_nights, shard_dataset


class Folder:
    """A folder in which something happens before it is listed, or a file of it opened, for the nth time."""

    def __init__(self, **files: str) -> None:
        self.files = {name: replaced.split() for name, replaced in files.items()}
        self.events: list[str] = []
        self.before: dict[str, Callable[[], None]] = {}

    def listed(self) -> list[str]:
        self._reach("list")
        return sorted(self.files)

    def opened(self, name: str) -> tuple[str, list[str]]:
        self._reach(name)
        if name not in self.files:
            raise FileNotFoundError(name)
        return name.upper(), self.files[name]

    def compact(self) -> None:
        """`c` takes the place of `a` and `b`."""
        self.files = {name: each for name, each in self.files.items() if name not in "ab"} | {"c": ["a", "b"]}

    def found(self) -> list[str]:
        return current_files(self.listed, self.opened)

    def _reach(self, event: str) -> None:
        self.events.append(event)
        self.before.pop(f"{event} {self.events.count(event)}", lambda: None)()


def test_files_that_another_has_replaced_do_not_count() -> None:
    assert Folder(a="", b="", c="a b", d="").found() == ["C", "D"]


def test_nothing_is_opened_twice() -> None:
    folder = Folder(a="", b="")
    assert folder.found() == ["A", "B"]
    assert sorted(folder.events) == ["a", "b", "list", "list"]


@pytest.mark.parametrize("moment", ["list 1", "a 1", "b 1", "list 2"])
def test_files_that_are_replaced_meanwhile_are_read_once(moment: str) -> None:
    folder = Folder(a="", b="", d="")
    folder.before[moment] = folder.compact
    assert folder.found() == ["C", "D"]


def test_a_file_that_was_listed_too_late_is_found() -> None:
    folder = Folder(d="")  # read before `c` was there, and after `a` and `b` were gone
    folder.before["list 2"] = folder.compact
    assert folder.found() == ["C", "D"]


def test_a_listing_that_never_stays_the_same_is_taken_as_it_is() -> None:
    folder, numbers = Folder(a=""), iter(range(100))

    def add() -> None:
        number = next(numbers)
        folder.files[f"x{number}"] = []
        folder.before[f"list {number + 2}"] = add

    folder.before["list 1"] = add
    assert {"A", "X0", "X5"} < set(folder.found())


def test_files_that_are_replaced_again_and_again_are_refused() -> None:
    folder, numbers = Folder(a="", d=""), iter(range(100))

    def compact() -> None:
        number = next(numbers)
        folder.files = {f"x{number}": [name for name in folder.files if name != "d"], "d": []}
        folder.before[f"list {number + 2}"] = compact

    folder.before["list 2"] = compact
    next(numbers)
    with pytest.raises(InputError, match=r"wait until framemill compact has ended"):
        folder.found()


def test_a_file_that_is_listed_and_not_there_is_an_error() -> None:
    folder = Folder(a="")
    folder.listed = lambda: ["a", "link"]  # type: ignore[method-assign]
    with pytest.raises(FileNotFoundError, match="link"):
        folder.found()


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    commit_nights(shard_dataset(tmp_path, "r1"), range(6))
    return tmp_path


def test_shards_name_those_that_they_have_replaced(shards: Path) -> None:
    names = sorted(path.name for path in (shards / "features").iterdir())
    assert read_index(open_features([str(shards)])).ids == [f"v{number:05d}" for number in range(6)]
    path = shards / "features" / "part-r1-00009.parquet"
    write_shard(path, [feature_row(number) for number in range(10, 14)], metadata=replaced_metadata(names[:2]))
    assert read_index(open_features([str(shards)])).ids == [f"v{number:05d}" for number in (4, 5, 10, 11, 12, 13)]


def test_metadata_that_cannot_be_read_are_told(shards: Path) -> None:
    path = shards / "features" / "x.parquet"
    write_shard(path, [feature_row(10)], metadata={"framemill.replaces": "{}"})
    with pytest.raises(FeatureFileError, match=r"framemill\.replaces is a list of names"):
        open_features([str(shards)])

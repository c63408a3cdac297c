from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from cluster.engines.pickled_file import PickledFile


class Bomb:
    """Whoever unpickles it runs its code."""

    def __reduce__(self) -> tuple[object, ...]:
        return (pytest.fail, ("the pickle was loaded",))


def test_an_object_comes_back(tmp_path: Path) -> None:
    assert PickledFile.write(f"{tmp_path}/folder/object", [1, "two"]).read() == [1, "two"]


def test_a_file_that_was_changed_is_not_loaded(tmp_path: Path) -> None:
    file = PickledFile.write(f"{tmp_path}/object", [1, "two"])
    Path(file.uri).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="object has been changed since this run wrote it"):
        file.read()

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.annotations import formats
from cluster.annotations.formats import ALL, READERS

ROOT = Path(formats.__file__).parent


def test_every_reader_of_the_rooms_is_listed() -> None:
    files = {path.stem for room in ("tools", "datasets") for path in (ROOT / room).glob("[a-z]*.py")} - {"cvat_meta"}
    assert {one.read.__module__.rpartition(".")[2] for one in READERS.values()} == files  # type: ignore[attr-defined]
    assert len(READERS) == len(ALL)


def test_a_name_stands_for_one_reader() -> None:
    with pytest.raises(ValueError, match="two readers are called 'supervisely'"):
        formats._by_name((*ALL, ALL[0]))

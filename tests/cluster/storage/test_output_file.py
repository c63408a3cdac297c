from __future__ import annotations

from pathlib import Path

import pytest

from cluster.storage import files
from cluster.storage.output_file import output_file
from tests.support.servers import gs_bucket


def break_off(uri: str) -> None:
    with output_file(uri) as file:
        file.write(b"half")
        raise ValueError("broken off")


def test_pieces_appear_as_one_file_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with output_file(str(path)) as file:
        file.write(b"one, ")
        file.flush()
        assert not path.exists()
        file.write(b"two")
    assert path.read_bytes() == b"one, two"
    assert list(path.parent.iterdir()) == [path]


def test_one_that_is_broken_off_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"of yesterday")
    with pytest.raises(ValueError, match="broken off"):
        break_off(str(path))
    assert path.read_bytes() == b"of yesterday"
    assert list(tmp_path.iterdir()) == [path]


def test_into_a_bucket() -> None:
    with gs_bucket() as bucket:
        uri = f"{bucket}/out/file"
        with pytest.raises(ValueError, match="broken off"):
            break_off(uri)
        assert not files.exists(uri)
        with output_file(uri) as file:
            file.write(b"one, ")
            file.write(b"two")
        assert files.read_bytes(uri) == b"one, two"


def test_a_place_that_cannot_be_written_to() -> None:
    with pytest.raises(files.StorageError, match="cannot be written to"), output_file("https://example.com/file"):
        pass

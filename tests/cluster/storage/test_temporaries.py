from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from cluster.storage.temporaries import temporaries_explained
from schemas.errors import InputError


def test_a_folder_that_takes_no_more_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(InputError) as caught, temporaries_explained("a list"):
        (tmp_path / "gone" / "file").write_bytes(b"1")
    first, second = str(caught.value).split("\n")
    assert first.startswith(f"{tmp_path} takes no more of a list: [Errno 2] No such file or directory")
    assert second == "Set TMPDIR to a folder with more room, and run again"


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(ValueError, match="x"), temporaries_explained("a list"):
        raise ValueError("x")

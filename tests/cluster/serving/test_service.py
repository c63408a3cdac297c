from __future__ import annotations

import pytest

from cluster.serving.config import ServeOptions
from cluster.serving.service import corrections_of
from cluster.serving.spool import Spool


@pytest.mark.parametrize("is_given", [True, False])
def test_corrections_outlive_the_service_only_where_the_operator_says_so(tmp_path, is_given):
    folder = str(tmp_path / "kept") if is_given else None
    spool = Spool(str(tmp_path / "uploads"))
    (spool.folder / "upload").write_bytes(b"a video")
    corrections = corrections_of(ServeOptions.of(checkpoint=("c",), corrections=folder), spool)
    corrections.add(spool.folder / "upload", 0.0, 1.0, "walking")
    assert b"walking" in corrections.manifest()
    spool.close()
    left = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert (len(left), "corrections.csv" in left) == ((2, True) if is_given else (0, False))

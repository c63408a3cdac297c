from __future__ import annotations

from cluster.serving.config import ServeOptions
from cluster.serving.service import corrections_of


def test_corrections_go_where_the_operator_says_and_with_their_videos_by_default(tmp_path):
    folder = str(tmp_path / "kept")
    corrections = corrections_of(ServeOptions.of(checkpoint=("c",), corrections=folder))
    assert corrections is not None
    assert corrections.manifest().count(b"\n") == 1
    assert corrections_of(ServeOptions.of(checkpoint=("c",))) is None

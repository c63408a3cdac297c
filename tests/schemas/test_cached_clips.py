from __future__ import annotations

import pyarrow as pa

from schemas.cached_clips import CLIP_SCHEMA, ClipRow, clip_table

ROWS = [
    ClipRow("b", (1, 2), "train", 2, (b"x", b"yy"), 8, 6, 12.5, "v1", "in/\udcff.mp4"),
    ClipRow("a", (), "", 1, (b"z",), 8, 6, None, "", "in/a.mp4"),
]


def test_rows_keep_their_order_and_the_file_its_metadata() -> None:
    table = clip_table(ROWS, {"key": "value"})
    assert table.schema.remove_metadata() == CLIP_SCHEMA
    assert table.schema.metadata == {b"key": b"value"}
    assert table["id"].to_pylist() == ["b", "a"]
    assert table["frames"].to_pylist() == [[b"x", b"yy"], [b"z"]]
    assert table["fps"].to_pylist() == [12.5, None]
    assert table["uri"].to_pylist() == ["in/\\udcff.mp4", "in/a.mp4"]


def test_no_rows_are_an_empty_table() -> None:
    assert clip_table([], {}).num_rows == 0
    assert isinstance(clip_table([], {}), pa.Table)


def test_the_size_of_a_row_is_that_of_its_frames() -> None:
    assert ROWS[0].size_bytes - ROWS[1].size_bytes == 2

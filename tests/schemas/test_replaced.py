"""Names and metadata of files that have replaced others."""

from __future__ import annotations

import pytest

from schemas.replaced import name_after, replaced_by, replaced_metadata

FIRST, LAST, NEXT = (
    "part-20260101T000000-abc-00002.parquet",
    "part-20260102T000000-aaa-00001.parquet",
    "part-2027.parquet",
)


def test_a_file_is_named_after_the_last_that_it_replaces_and_sorts_right_behind_it() -> None:
    name = name_after([LAST, FIRST])
    assert name == "part-20260102T000000-aaa-00001_0001.parquet"
    assert FIRST < LAST < name < LAST.replace("00001", "00002") < NEXT
    again = name_after([FIRST, name])
    assert again == "part-20260102T000000-aaa-00001_0002.parquet"
    assert name < again < NEXT


def test_no_name_is_given_twice() -> None:
    assert name_after([LAST], {name_after([LAST])}) == "part-20260102T000000-aaa-00001_0002.parquet"


def test_a_name_that_is_none_of_a_shard_is_refused() -> None:
    with pytest.raises(ValueError, match="no name of a Parquet file"):
        name_after(["part"])


def test_metadata_name_the_files_that_were_replaced() -> None:
    metadata = {key.encode(): value.encode() for key, value in replaced_metadata([LAST, FIRST]).items()}
    assert replaced_by("gs://b/features/partition-1-of-2/x.parquet", metadata) == [
        f"gs://b/features/partition-1-of-2/{name}" for name in (FIRST, LAST)
    ]
    assert replaced_by("x.parquet", {}) == replaced_by("x.parquet", None) == []


@pytest.mark.parametrize("text", [b"{}", b"[1]", b'["../a"]', b"no JSON"])
def test_other_metadata_are_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        replaced_by("x.parquet", {b"framemill.replaces": text})

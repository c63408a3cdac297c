"""Settings of stored shards; `test_feature_dataset.py` has the messages that datasets make of them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.datasets import stored_settings
from cluster.datasets.folder import DatasetError
from cluster.datasets.stored_settings import differences, schema_beside, stored_schema
from cluster.storage.parquet import open_parquet
from schemas.features import feature_schema
from schemas.fingerprint import fingerprint_metadata

SCHEMA = feature_schema(1024, frame_features=False)


def stored(**fingerprint: str) -> pa.Schema:
    return SCHEMA.with_metadata(fingerprint_metadata(fingerprint))


def test_the_schema_is_that_of_a_shard(tmp_path):
    assert stored_schema(str(tmp_path)) is None
    (tmp_path / "features").mkdir()
    pq.write_table(stored(fps="1").empty_table(), tmp_path / "features" / "a.parquet")
    assert stored_schema(str(tmp_path)) == SCHEMA
    (tmp_path / "features" / "a.parquet").write_bytes(b"no Parquet")
    with pytest.raises(DatasetError, match=r"a\.parquet is no feature shard"):
        stored_schema(str(tmp_path))


def test_a_shard_that_is_removed_meanwhile_is_not_missed(tmp_path, monkeypatch):
    (tmp_path / "features").mkdir()
    for name in "ab":
        pq.write_table(stored(fps="1").empty_table(), tmp_path / "features" / f"{name}.parquet")

    def remove_and_open(uri):
        (tmp_path / "features" / "a.parquet").unlink(missing_ok=True)
        return open_parquet(uri)

    monkeypatch.setattr(stored_settings, "open_parquet", remove_and_open)
    assert stored_schema(str(tmp_path)) == SCHEMA
    (tmp_path / "features" / "b.parquet").rename(tmp_path / "b")
    (tmp_path / "features" / "link.parquet").symlink_to(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError):
        stored_schema(str(tmp_path))


def test_columns_that_are_newer_are_left_out():
    old = SCHEMA.remove(SCHEMA.get_field_index("tracks"))
    assert schema_beside(old, SCHEMA) == old
    assert schema_beside(SCHEMA, SCHEMA) == SCHEMA


def test_equal_settings_do_not_differ():
    assert differences(stored(fps="1"), SCHEMA, {"fps": "1"}, (), {}) == []


def test_differences_name_options_and_leave_out_what_is_unknown():
    there = stored(fps="1", weights="sha256:0123abcd" + "0" * 56)
    found = differences(there, SCHEMA, {"fps": "2", "weights": "random:0"}, (), {"fps": "--fps"})
    assert found == ["--fps: 1 there, 2 here", "weights: sha256:0123abcd… there, random:0 here"]
    assert differences(there, SCHEMA, {"fps": "1", "weights": "random:0"}, {"weights"}, {}) == []


def test_other_columns_differ():
    with_codes = feature_schema(1024, frame_features=True)
    assert differences(stored(), with_codes, {}, (), {}) == ["--frame-features: no there, yes here"]
    assert differences(stored(), feature_schema(2048, frame_features=False), {}, (), {})[0].startswith("columns: id, ")

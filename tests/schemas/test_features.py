from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from cluster.storage.parquet import write_table
from schemas.codes import Codes
from schemas.features import AUDIO_DIM, FeatureRow, feature_schema, feature_table, with_wide_codes
from tests.support.memory import memory_growth

METADATA = {"framemill.fingerprint": '{"sampling.fps": "1"}', "framemill.run_id": "r1"}
LENGTHS = {"zebra": 3, "ant/Ⅱ": 1, "../mole\n": 2}
CODES_3 = pa.list_(pa.binary())
LABELS = {"zebra": (7, 2), "ant/Ⅱ": (), "../mole\n": (0,)}


def make_row(name: str, dim: int, *, frame_features: bool) -> FeatureRow:
    rng, count = np.random.default_rng(len(name)), LENGTHS[name]
    return FeatureRow(
        id=name,
        labels=LABELS[name],
        mean_rgb=rng.standard_normal(dim, dtype=np.float32),
        mean_audio=rng.standard_normal(AUDIO_DIM, dtype=np.float32),
        has_audio=count > 1,
        num_frames=count,
        duration_seconds=count + 0.25,
        coverage=count / (count + 1),
        gaps=((0.5, 1.25), (3.0, 4.0))[: count - 1],
        split=("train", "test", "")[count - 1],
        tracks=("audio 2 of 1, 2", None, None)[count - 1],
        uri=f"in/{name}.mp4",
        rgb=Codes.of(rng.integers(0, 256, (count, dim), np.uint8)) if frame_features else None,
        audio=Codes.of(rng.integers(0, 256, (count, AUDIO_DIM), np.uint8)) if frame_features else None,
    )


@pytest.fixture(params=[(1024, False), (1024, True), (2048, False), (2048, True)], ids=str)
def shard(request, tmp_path):
    dim, frame_features = request.param
    rows = {name: make_row(name, dim, frame_features=frame_features) for name in LENGTHS}
    schema = feature_schema(dim, frame_features=frame_features)
    path = tmp_path / "part.parquet"
    write_table(str(path), feature_table(list(rows.values()), schema, METADATA))
    return path, rows, schema


def check_rows(found: list[dict], rows: dict[str, FeatureRow]) -> None:
    """Plain values, as any reader gives them, against what was written."""
    assert [values["id"] for values in found] == sorted(rows)
    for values in found:
        row = rows[values["id"]]
        assert list(values["labels"]) == list(row.labels)
        np.testing.assert_array_equal(np.array(values["mean_rgb"], np.float32), row.mean_rgb)
        np.testing.assert_array_equal(np.array(values["mean_audio"], np.float32), row.mean_audio)
        assert (values["has_audio"], values["num_frames"]) == (row.has_audio, row.num_frames)
        assert (values["duration_seconds"], values["uri"]) == (row.duration_seconds, row.uri)
        assert values["coverage"] == np.float32(row.coverage)
        assert values["split"] == row.split
        assert row.tracks == (None if pd.isna(values["tracks"]) else values["tracks"])
        assert tuple((gap["start_seconds"], gap["end_seconds"]) for gap in values["gaps"]) == row.gaps
        assert ("rgb" in values) == (row.rgb is not None)
        for name, codes in (("rgb", row.rgb), ("audio", row.audio)):
            if codes is not None:
                read = np.stack([np.frombuffer(code, np.uint8) for code in values[name]])
                np.testing.assert_array_equal(read, codes)


def test_pyarrow_reads_it(shard):
    path, rows, schema = shard
    table = pq.read_table(path)
    assert table.schema.remove_metadata() == schema
    assert table.schema.metadata == {key.encode(): value.encode() for key, value in METADATA.items()}
    check_rows(table.to_pylist(), rows)


def test_pandas_reads_it(shard):
    path, rows, _ = shard
    check_rows(pd.read_parquet(path).to_dict("records"), rows)


def test_duckdb_reads_it(shard):
    path, rows, schema = shard
    relation = duckdb.sql(f"select * from read_parquet('{path}')")
    assert relation.columns == schema.names
    check_rows([dict(zip(relation.columns, values, strict=True)) for values in relation.fetchall()], rows)
    assert duckdb.sql(f"select sum(num_frames), max(len(mean_rgb)) from '{path}'").fetchall() == [
        (6, schema.field("mean_rgb").type.list_size)
    ]


def test_the_columns_are_youtube_8ms():
    fields = feature_schema(1024, frame_features=True)
    assert [(field.name, str(field.type)) for field in fields] == [
        ("id", "string"),
        ("labels", "list<item: int32>"),
        ("mean_rgb", "fixed_size_list<item: float>[1024]"),
        ("mean_audio", "fixed_size_list<item: float>[128]"),
        ("has_audio", "bool"),
        ("num_frames", "int32"),
        ("duration_seconds", "float"),
        ("coverage", "float"),
        ("gaps", "list<item: struct<start_seconds: float not null, end_seconds: float not null>>"),
        ("split", "string"),
        ("tracks", "string"),
        ("rgb", "list<item: large_binary>"),
        ("audio", "list<item: large_binary>"),
        ("uri", "string"),
    ]
    assert [field.name for field in fields if field.nullable] == ["tracks"]


def test_shards_of_version_3_and_later_ones_are_read_together(tmp_path):
    """The codes of version 3 had offsets of 32 bits, which only Arrow's note of the types tells."""
    schema = feature_schema(1024, frame_features=True)
    before = pa.schema([field.with_type(CODES_3) if field.name in ("rgb", "audio") else field for field in schema])
    assert with_wide_codes(before) == with_wide_codes(schema) == schema
    rows = {name: make_row(name, 1024, frame_features=True) for name in LENGTHS}
    for order in (1, -1):
        folder = tmp_path / str(order)
        folder.mkdir()
        for name, number in zip(rows, (0, 1, 2)[::order], strict=True):
            path = folder / f"{number}.parquet"
            write_table(str(path), feature_table([rows[name]], schema, METADATA))
            if number % 2:
                pq.write_table(pq.read_table(path).cast(before), path)
        check_rows(sorted(pq.read_table(folder).to_pylist(), key=by_id), rows)
        check_rows(sorted(pd.read_parquet(folder).to_dict("records"), key=by_id), rows)
        relation = duckdb.sql(f"select * from read_parquet('{folder}/*.parquet')")
        found = [dict(zip(relation.columns, values, strict=True)) for values in relation.fetchall()]
        check_rows(sorted(found, key=by_id), rows)


def by_id(values: dict) -> str:
    return values["id"]


def long_row(points: int) -> FeatureRow:
    """Two pictures that stay for weeks."""
    row = make_row("zebra", 1024, frame_features=True)
    counts = np.array([points // 2, points - points // 2])
    return replace(
        row, num_frames=points, rgb=Codes(row.rgb.vectors[:2], counts), audio=Codes(row.audio.vectors[:2], counts)
    )


def test_more_than_2_gib_of_codes_fit_into_a_row(tmp_path):
    """Beyond what offsets of 32 bits reach; the codes are read without repeating them, as nobody needs them twice."""
    row, path = long_row(2_100_000), tmp_path / "part.parquet"
    assert row.size_bytes > 1 << 31
    with memory_growth() as growth:
        assert write_table(str(path), feature_table([row], feature_schema(1024, frame_features=True), {})) < 100_000
    assert growth.bytes < 256 << 20
    table = pq.read_table(path, columns=["rgb"], read_dictionary=["rgb.list.element"])
    codes = table["rgb"].combine_chunks().flatten()
    assert codes.dictionary.to_pylist() == [bytes(code) for code in row.rgb.vectors]
    np.testing.assert_array_equal(codes.indices, np.repeat([0, 1], row.rgb.counts))
    assert pq.read_schema(path).field("rgb").type == pa.list_(pa.large_binary())


@pytest.mark.heavy
def test_plain_readers_read_such_a_row(tmp_path):
    row, path = long_row(2_100_000), tmp_path / "part.parquet"
    write_table(str(path), feature_table([row], feature_schema(1024, frame_features=True), {}))
    query = f"select len(rgb), octet_length(rgb[1]), rgb[2100000] from '{path}'"
    assert duckdb.sql(query).fetchall() == [(2_100_000, 1024, bytes(row.rgb.vectors[1]))]
    rgb = ds.dataset(tmp_path).to_table(columns=["rgb"])["rgb"].combine_chunks()
    assert len(rgb.flatten()) == 2_100_000
    assert rgb.flatten()[-1].as_py() == bytes(row.rgb.vectors[1])


def test_one_column_can_be_read_alone(shard):
    path, rows, _ = shard
    assert pq.read_table(path, columns=["id"]).to_pydict() == {"id": sorted(rows)}


def test_the_same_rows_in_another_order_are_the_same_table():
    rows = [make_row(name, 1024, frame_features=True) for name in LENGTHS]
    schema = feature_schema(1024, frame_features=True)
    assert feature_table(rows, schema, METADATA).equals(
        feature_table(rows[::-1], schema, METADATA), check_metadata=True
    )


def test_a_width_that_is_not_the_schemas_is_refused():
    row = make_row("zebra", 2048, frame_features=False)
    with pytest.raises((TypeError, pa.ArrowException), match="1024"):
        feature_table([row], feature_schema(1024, frame_features=False), {})


def test_rows_with_and_without_codes_do_not_share_a_shard():
    rows = [make_row("zebra", 1024, frame_features=True), make_row("ant/Ⅱ", 1024, frame_features=False)]
    with pytest.raises(AssertionError, match="with and without"):
        feature_table(rows, feature_schema(1024, frame_features=True), {})


def test_codes_of_another_length_or_width_than_the_row_says_are_refused():
    row = make_row("zebra", 1024, frame_features=True)
    schema = feature_schema(1024, frame_features=True)
    for changes in ({"num_frames": 4}, {"rgb": row.audio}, {"audio": row.rgb}):
        with pytest.raises(ValueError, match=r"'zebra': \d codes in (rgb|audio) of \d+ bytes, expected \("):
            feature_table([replace(row, **changes)], schema, {})


def test_size_counts_the_codes():
    assert make_row("zebra", 1024, frame_features=False).size_bytes == 4 * (1024 + 128) + 200
    assert make_row("zebra", 1024, frame_features=True).size_bytes == (4 + 3) * (1024 + 128) + 200

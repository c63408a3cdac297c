import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster import storage
from cluster.feature_files import FeatureFileError, open_features, read_blocks, read_column, read_ids, read_index
from schemas.features import AUDIO_DIM
from tests.features import DIM, FINGERPRINT, feature_row, write_shard
from tests.parity import FOLDER
from tests.servers import gs_bucket


def some(folder, count=5, **options):
    return write_shard(folder / "part.parquet", [feature_row(number, **options) for number in range(count)])


def replaced(path, name, column):
    """The shard with another column, or without it."""
    table = pq.read_table(path)
    position = table.schema.get_field_index(name)
    table = table.remove_column(position)
    if column is not None:
        table = table.add_column(position, name, column)
    pq.write_table(table, path)


def test_what_all_files_share(tmp_path):
    write_shard(tmp_path / "a.parquet", [feature_row(1), feature_row(2)])
    write_shard(tmp_path / "b" / "c.parquet", [feature_row(3)])
    found = open_features([str(tmp_path)])
    assert (found.rows, found.rgb_dim, found.audio_dim) == (3, DIM, AUDIO_DIM)
    assert (found.levels, found.first_rows, found.fingerprint) == (("video",), (0, 2), FINGERPRINT)


def test_of_a_dataset_the_features_are_read(tmp_path):
    write_shard(tmp_path / "features" / "a.parquet", [feature_row(1)])
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "ledger.parquet")
    assert open_features([str(tmp_path)]).rows == 1


def test_ids_and_labels(tmp_path):
    write_shard(tmp_path / "a.parquet", [feature_row(1, labels=[4, 2]), feature_row(2, labels=[])], row_group_size=1)
    write_shard(tmp_path / "b.parquet", [feature_row(3, labels=[7])])
    index = read_index(open_features([str(tmp_path)]))
    assert index.ids == ["v00001", "v00002", "v00003"]
    assert (index.labels.offsets.tolist(), index.labels.values.tolist()) == ([0, 2, 2, 3], [4, 2, 7])


def test_records_too():
    index = read_index(open_features([str(FOLDER / "video_level.tfrecord")]))
    assert index.ids[:2] == ["Ab-_0", "v001"]
    assert index.labels.values[:4].tolist() == [0, 3861, 129, 300]


@pytest.mark.parametrize("name", ["video_level.tfrecord", "frame_level.tfrecord"])
def test_ids_alone_are_those_of_the_index(name):
    features = open_features([str(FOLDER / name)])
    assert read_ids(features.files[0]).to_pylist() == read_index(features).ids


def test_ids_of_a_shard(tmp_path):
    path = some(tmp_path)
    (file,) = open_features([str(path)]).files
    assert read_ids(file).to_pylist() == [f"v{number:05d}" for number in range(5)]
    replaced(path, "id", pa.array(["a", None, "c", "d", "e"]))
    with pytest.raises(FeatureFileError, match="ids are missing"):
        read_ids(file)


def test_ids_of_a_shard_in_a_bucket(tmp_path):
    path = some(tmp_path)
    with gs_bucket() as bucket:
        storage.write_bytes(f"{bucket}/a.parquet", path.read_bytes())
        assert len(read_ids(open_features([f"{bucket}/a.parquet"]).files[0])) == 5


def test_rows_of_wanted_groups_alone(tmp_path):
    path = write_shard(tmp_path / "a.parquet", [feature_row(number) for number in range(6)], row_group_size=2)
    file = open_features([str(path)]).files[0]
    blocks = list(read_blocks(file, "video", [2, 0], with_ids=True))
    assert [(block.start, list(block.ids)) for block in blocks] == [
        (4, ["v00004", "v00005"]),
        (0, ["v00000", "v00001"]),
    ]
    assert [block.rgb[:, 0].tolist() for block in blocks] == [[4, 5], [0, 1]]


def test_a_column_that_somebody_added(tmp_path):
    path = some(tmp_path, 3)
    pq.write_table(pq.read_table(path).append_column("split", pa.array(["train", None, "test"])), path)
    features = open_features([str(path)])
    assert read_column(features, "split") == ["train", "", "test"]
    with pytest.raises(FeatureFileError, match=r"no column 'part': id, labels"):
        read_column(features, "part")


def test_buckets(tmp_path):
    path = some(tmp_path, 4)
    with gs_bucket() as bucket:
        storage.write_bytes(f"{bucket}/d/features/a.parquet", path.read_bytes())
        storage.write_bytes(f"{bucket}/r/a.tfrecord", (FOLDER / "video_level.tfrecord").read_bytes())
        features = open_features([f"{bucket}/d"])
        assert read_index(features).ids == read_index(open_features([str(path)])).ids
        (block,) = read_blocks(features.files[0], "video", [0])
        assert block.rgb[:, 0].tolist() == [0, 1, 2, 3]
        records = open_features([f"{bucket}/r"])
        (block,) = read_blocks(records.files[0], "video", [0])
        assert block.rgb.shape == (12, 1024)


@pytest.mark.parametrize("name", ["id", "labels", "mean_rgb", "mean_audio", "num_frames"])
def test_a_missing_column_is_told(tmp_path, name):
    path = some(tmp_path)
    replaced(path, name, None)
    with pytest.raises(FeatureFileError, match=rf"part\.parquet is no feature shard: column {name} is.*missing"):
        open_features([str(path)])


def test_columns_of_other_types_are_told_together(tmp_path):
    path = some(tmp_path, 2)
    replaced(path, "mean_rgb", pa.array([[1.0], [2.0]]))
    replaced(path, "labels", pa.array(["a", "b"]))
    with pytest.raises(FeatureFileError, match=r"labels is string, not list.*mean_rgb is list<.*double>, not fixed"):
        open_features([str(path)])


def test_widths_that_differ_are_told(tmp_path):
    write_shard(tmp_path / "a.parquet", [feature_row(1)])
    write_shard(tmp_path / "b.parquet", [feature_row(2, dim=8)])
    with pytest.raises(FeatureFileError, match=r"a\.parquet has 16 \+ 128, .*b\.parquet has 8 \+ 128"):
        open_features([str(tmp_path)])


def test_fingerprints_that_differ_are_told(tmp_path):
    write_shard(tmp_path / "a.parquet", [feature_row(1)], {"weights": "one", "fps": "1"})
    write_shard(tmp_path / "b.parquet", [feature_row(2)], {"weights": "two", "fps": "1"})
    with pytest.raises(FeatureFileError, match=r"weights: one and two") as told:
        open_features([str(tmp_path)])
    assert "fps" not in str(told.value)
    with pytest.raises(FeatureFileError, match=r"(?s)features of the model and .*weights: three and one"):
        open_features([str(tmp_path / "a.parquet")], fingerprint={"weights": "three", "fps": "1"})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_counted_and_named(tmp_path, value):
    rows = [feature_row(number) for number in range(1200)]
    rows[7].mean_rgb[3] = value
    rows[1100].mean_audio[127] = value
    path = write_shard(tmp_path / "a.parquet", rows)
    with pytest.raises(FeatureFileError, match=r"a\.parquet: 2 of 1200 videos have .*'v00007', 'v01100'"):
        list(read_blocks(open_features([str(path)]).files[0], "video", [0]))


def test_features_that_are_only_large_are_taken(tmp_path):
    row = feature_row(0)
    row.mean_rgb[:] = 3e30
    path = write_shard(tmp_path / "a.parquet", [row])
    (block,) = read_blocks(open_features([str(path)]).files[0], "video", [0])
    assert (block.rgb == np.float32(3e30)).all()


def test_codes_of_a_wrong_width_are_told(tmp_path):
    path = some(tmp_path, 2, frames=2)
    replaced(path, "rgb", pa.array([[b"x" * DIM] * 2, [b"x" * DIM, b"short"]], pa.list_(pa.binary())))
    with pytest.raises(FeatureFileError, match="a code in rgb is 5 bytes wide, others 16"):
        list(read_blocks(open_features([str(path)]).files[0], "frame", [0]))


def test_more_pictures_than_sounds_are_told(tmp_path):
    path = some(tmp_path, 2, frames=2)
    replaced(path, "rgb", pa.array([[b"x" * DIM] * 2, [b"x" * DIM] * 3], pa.list_(pa.binary())))
    with pytest.raises(FeatureFileError, match="row 1: 3 picture features but 2 of sound"):
        list(read_blocks(open_features([str(path)]).files[0], "frame", [0]))


def test_missing_features_are_told(tmp_path):
    path = some(tmp_path, 2)
    replaced(path, "mean_rgb", pa.array([[0.0] * DIM, None], pa.list_(pa.float32(), DIM)))
    with pytest.raises(FeatureFileError, match=r"part\.parquet cannot be read: Expected all lists to be of size=16"):
        list(read_blocks(open_features([str(path)]).files[0], "video", [0]))


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(FeatureFileError, match=r"no \.parquet or \.tfrecord file"):
        open_features([str(tmp_path)])
    with pytest.raises(FeatureFileError, match="given more than once"):
        open_features([str(some(tmp_path))] * 2)
    with pytest.raises(FeatureFileError, match="mixed"):
        open_features([str(tmp_path), str(FOLDER / "video_level.tfrecord")])


def test_a_damaged_shard_is_told(tmp_path):
    path = some(tmp_path, 500)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(FeatureFileError, match=r"part\.parquet cannot be read"):
        open_features([str(path)])
    path.write_bytes(whole[:20_000] + bytes(4000) + whole[24_000:])
    file = open_features([str(path)]).files[0]
    with pytest.raises(FeatureFileError, match=r"part\.parquet cannot be read"):
        list(read_blocks(file, "video", [0]))

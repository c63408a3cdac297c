import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.features.blocks import read_blocks
from cluster.features.columns import read_index
from cluster.features.files import FeatureFileError, open_features
from cluster.storage import files
from cluster.storage.parquet import write_table
from schemas.features import AUDIO_DIM
from schemas.quantization import CodeRange
from tests.support.features import DIM, FINGERPRINT, feature_row, replace_column, some_rows, write_shard
from tests.support.memory import memory_below
from tests.support.parity import FOLDER
from tests.support.servers import gs_bucket


def test_common_properties_of_files(tmp_path):
    write_shard(tmp_path / "a.parquet", [feature_row(1), feature_row(2)])
    write_shard(tmp_path / "b" / "c.parquet", [feature_row(3)])
    found = open_features([str(tmp_path)])
    assert (found.rows, found.rgb_dim, found.audio_dim) == (3, DIM, AUDIO_DIM)
    assert (found.levels, found.first_rows, found.fingerprint) == (("video",), (0, 2), FINGERPRINT)


def test_a_dataset_is_opened_by_its_features(tmp_path):
    write_shard(tmp_path / "features" / "a.parquet", [feature_row(1)])
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "ledger.parquet")
    assert open_features([str(tmp_path)]).rows == 1


def test_buckets(tmp_path):
    path = some_rows(tmp_path, 4)
    with gs_bucket() as bucket:
        files.write_bytes(f"{bucket}/d/features/a.parquet", path.read_bytes())
        files.write_bytes(f"{bucket}/r/a.tfrecord", (FOLDER / "video_level.tfrecord").read_bytes())
        features = open_features([f"{bucket}/d"])
        assert read_index(features).ids == read_index(open_features([str(path)])).ids
        (block,) = read_blocks(features.files[0], "video", [0])
        assert block.rgb[:, 0].tolist() == [0, 1, 2, 3]
        records = open_features([f"{bucket}/r"])
        (block,) = read_blocks(records.files[0], "video", [0])
        assert block.rgb.shape == (12, 1024)


@pytest.mark.parametrize("text", ["{", "[]", '{"fps": 1}'])
def test_a_damaged_fingerprint_is_refused(tmp_path, text):
    path = some_rows(tmp_path)
    pq.write_table(pq.read_table(path).replace_schema_metadata({"framemill.fingerprint": text}), path)
    with pytest.raises(FeatureFileError, match=r"part\.parquet: the fingerprint in its metadata cannot be read"):
        open_features([str(path)])


@pytest.mark.parametrize("name", ["id", "labels", "mean_rgb", "mean_audio", "num_frames"])
def test_a_missing_column_is_refused(tmp_path, name):
    path = some_rows(tmp_path)
    replace_column(path, name, None)
    with pytest.raises(FeatureFileError, match=rf"part\.parquet is not a feature shard: column {name} is.*missing"):
        open_features([str(path)])


def test_columns_of_other_types_are_listed_together(tmp_path):
    path = some_rows(tmp_path, 2)
    replace_column(path, "mean_rgb", pa.array([[1.0], [2.0]]))
    replace_column(path, "labels", pa.array(["a", "b"]))
    with pytest.raises(FeatureFileError, match=r"labels is string, not list.*mean_rgb is list<.*double>, not fixed"):
        open_features([str(path)])


def test_different_widths_are_refused(tmp_path):
    write_shard(tmp_path / "a.parquet", [feature_row(1)])
    write_shard(tmp_path / "b.parquet", [feature_row(2, dim=8)])
    with pytest.raises(FeatureFileError, match=r"a\.parquet has 16 \+ 128, .*b\.parquet has 8 \+ 128"):
        open_features([str(tmp_path)])


def test_different_fingerprints_are_refused(tmp_path):
    write_shard(tmp_path / "a.parquet", [feature_row(1)], {"weights": "one", "fps": "1"})
    write_shard(tmp_path / "b.parquet", [feature_row(2)], {"weights": "two", "fps": "1"})
    with pytest.raises(FeatureFileError, match=r"weights: one and two") as caught:
        open_features([str(tmp_path)])
    assert "fps" not in str(caught.value)
    with pytest.raises(FeatureFileError, match=r"(?s)features of the model and .*weights: three and one"):
        open_features([str(tmp_path / "a.parquet")], fingerprint={"weights": "three", "fps": "1"})


def test_a_shard_is_of_the_range_that_it_records(tmp_path):
    path = write_shard(tmp_path / "a.parquet", [feature_row(1, frames=2)], {"code_range": "-1..3"})
    for given in (None, CodeRange(-1, 3)):
        assert open_features([str(path)], code_range=given).files[0].code_range == CodeRange(-1, 3)
    with pytest.raises(FeatureFileError, match=r"a\.parquet are of the range -1\.\.3, not 0\.\.1"):
        open_features([str(path)], code_range=CodeRange(0, 1))
    write_shard(path, [feature_row(1)], {"code_range": "wide"})
    with pytest.raises(FeatureFileError, match=r"(?s)fingerprint in its metadata cannot be read.*'wide'"):
        open_features([str(path)])


def test_unusable_inputs_are_refused(tmp_path):
    with pytest.raises(FeatureFileError, match=r"no \.parquet or \.tfrecord file"):
        open_features([str(tmp_path)])
    with pytest.raises(FeatureFileError, match="given more than once"):
        open_features([str(some_rows(tmp_path))] * 2)
    with pytest.raises(FeatureFileError, match="mixed"):
        open_features([str(tmp_path), str(FOLDER / "video_level.tfrecord")])


def test_a_damaged_shard_is_refused(tmp_path):
    path = some_rows(tmp_path, 500)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(FeatureFileError, match=r"part\.parquet cannot be read"):
        open_features([str(path)])
    path.write_bytes(whole[:20_000] + bytes(4000) + whole[24_000:])
    file = open_features([str(path)]).files[0]
    with pytest.raises(FeatureFileError, match=r"part\.parquet cannot be read"):
        list(read_blocks(file, "video", [0]))


def standing_still(path, frames):
    """A shard of one video that repeats one frame."""
    columns = {
        "id": pa.array(["a"]),
        "labels": pa.array([[1]], pa.list_(pa.int32())),
        "num_frames": pa.array([frames], pa.int32()),
    }
    for name, dim in (("rgb", 1024), ("audio", 128)):
        codes = pa.DictionaryArray.from_arrays(np.zeros(frames, np.int8), pa.array([bytes(dim)]))
        columns[name] = pa.ListArray.from_arrays(pa.array([0, frames], pa.int32()), codes)
        columns[f"mean_{name}"] = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(dim, np.float32)), dim)
    write_table(str(path), pa.table(columns))
    assert path.stat().st_size < 20_000
    return open_features([str(path)]).files[0]


def test_a_picture_that_stands_for_a_day_is_read_and_one_for_weeks_is_not(tmp_path):
    (block,) = read_blocks(standing_still(tmp_path / "a.parquet", 86_400), "frame", [0])
    assert block.rgb.shape == (86_400, 1024)
    file = standing_still(tmp_path / "b.parquet", 1_100_000)
    assert len(next(read_blocks(file, "video", [0]))) == 1
    message = (
        r"b\.parquet cannot be read: up to column rgb\.list\.element of row group 0, it takes 1,1[\d,]+ bytes once it"
    )
    with memory_below(50), pytest.raises(FeatureFileError, match=message):
        list(read_blocks(file, "frame", [0]))


def test_shards_of_more_rows_than_they_can_hold_are_refused(tmp_path):
    count, path = 300_000, tmp_path / "a.parquet"
    columns = {
        "id": pa.array(["a"] * count),
        "labels": pa.array([[1]] * count, pa.list_(pa.int32())),
        "num_frames": pa.array([1] * count, pa.int32()),
        "mean_rgb": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(count, np.float32)), 1),
        "mean_audio": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(count, np.float32)), 1),
    }
    pq.write_table(pa.table(columns), path, compression="zstd")
    with pytest.raises(FeatureFileError, match=r"a\.parquet cannot be read: it claims 300,000 rows, at most 262,144"):
        open_features([str(path)])


def test_means_of_any_width_are_refused(tmp_path):
    path = some_rows(tmp_path, 2)
    replace_column(path, "mean_rgb", pa.array([[0.0] * 70_000] * 2, pa.list_(pa.float32(), 70_000)))
    with pytest.raises(FeatureFileError, match="column mean_rgb is 70,000 wide, at most 65,536"):
        open_features([str(path)])


def test_the_number_of_frames_is_known_without_reading_them(tmp_path):
    rows = [feature_row(number, frames=number + 1) for number in range(4)]
    shard = write_shard(tmp_path / "a.parquet", rows, row_group_size=2)
    assert open_features([str(shard)]).files[0].frames == 10
    assert open_features([str(some_rows(tmp_path / "means"))]).files[0].frames == 0
    (records,) = open_features([str(FOLDER / "frame_level.tfrecord")]).files
    (block,) = read_blocks(records, "frame", [0])
    assert len(block.rgb) <= records.frames <= 2 * len(block.rgb)
    assert open_features([str(FOLDER / "video_level.tfrecord")]).files[0].frames == 0

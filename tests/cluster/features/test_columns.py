import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.features.columns import read_column, read_ids, read_index, read_uris
from cluster.features.files import FeatureFileError, open_features
from cluster.storage import files
from tests.support.features import feature_row, replace_column, some_rows, write_shard
from tests.support.parity import FOLDER
from tests.support.servers import gs_bucket


def test_ids_and_labels(tmp_path):
    write_shard(tmp_path / "a.parquet", [feature_row(1, labels=[4, 2]), feature_row(2, labels=[])], row_group_size=1)
    write_shard(tmp_path / "b.parquet", [feature_row(3, labels=[7])])
    index = read_index(open_features([str(tmp_path)]))
    assert index.ids == ["v00001", "v00002", "v00003"]
    assert (index.labels.offsets.tolist(), index.labels.values.tolist()) == ([0, 2, 2, 3], [4, 2, 7])


def test_ids_and_labels_of_records():
    index = read_index(open_features([str(FOLDER / "video_level.tfrecord")]))
    assert index.ids[:2] == ["Ab-_0", "v001"]
    assert index.labels.values[:4].tolist() == [0, 3861, 129, 300]


@pytest.mark.parametrize("name", ["video_level.tfrecord", "frame_level.tfrecord"])
def test_ids_alone_are_those_of_the_index(name):
    features = open_features([str(FOLDER / name)])
    assert read_ids(features.files[0]).to_pylist() == read_index(features).ids


def test_ids_of_a_shard(tmp_path):
    path = some_rows(tmp_path)
    (file,) = open_features([str(path)]).files
    assert read_ids(file).to_pylist() == [f"v{number:05d}" for number in range(5)]
    replace_column(path, "id", pa.array(["a", None, "c", "d", "e"]))
    with pytest.raises(FeatureFileError, match="ids are missing"):
        read_ids(file)


def test_ids_of_a_shard_in_a_bucket(tmp_path):
    path = some_rows(tmp_path)
    with gs_bucket() as bucket:
        files.write_bytes(f"{bucket}/a.parquet", path.read_bytes())
        assert len(read_ids(open_features([f"{bucket}/a.parquet"]).files[0])) == 5


def test_an_added_column(tmp_path):
    path = some_rows(tmp_path, 3)
    pq.write_table(pq.read_table(path).append_column("stage", pa.array(["train", None, "test"])), path)
    features = open_features([str(path)])
    assert read_column(features, "stage") == ["train", "", "test"]
    with pytest.raises(FeatureFileError, match=r"no column 'part': id, labels"):
        read_column(features, "part")


def test_uris_of_some_videos(tmp_path):
    some_rows(tmp_path)
    features = open_features([str(tmp_path)])
    assert read_uris(features, {"v00001", "v00004", "other"}) == {"v00001": "in/1.mp4", "v00004": "in/4.mp4"}
    assert read_uris(open_features([str(FOLDER / "video_level.tfrecord")]), {"v001"}) == {}

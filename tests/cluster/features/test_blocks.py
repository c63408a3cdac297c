import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.features.blocks import read_blocks
from cluster.features.files import CODE_TYPES, FeatureFileError, open_features
from schemas.quantization import CodeRange, dequantize
from tests.support.features import DIM, feature_row, replace_column, some_rows, write_shard


def test_only_the_requested_row_groups_are_read(tmp_path):
    path = write_shard(tmp_path / "a.parquet", [feature_row(number) for number in range(6)], row_group_size=2)
    file = open_features([str(path)]).files[0]
    blocks = list(read_blocks(file, "video", [2, 0], with_ids=True))
    assert [(block.start, list(block.ids)) for block in blocks] == [
        (4, ["v00004", "v00005"]),
        (0, ["v00000", "v00001"]),
    ]
    assert [block.rgb[:, 0].tolist() for block in blocks] == [[4, 5], [0, 1]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_videos_with_nan_or_infinite_features_are_counted_and_named(tmp_path, value):
    rows = [feature_row(number) for number in range(1200)]
    rows[7].mean_rgb[3] = value
    rows[1100].mean_audio[127] = value
    path = write_shard(tmp_path / "a.parquet", rows)
    with pytest.raises(FeatureFileError, match=r"a\.parquet: 2 of 1200 videos have .*'v00007', 'v01100'"):
        list(read_blocks(open_features([str(path)]).files[0], "video", [0]))


def test_large_finite_features_are_accepted(tmp_path):
    row = feature_row(0)
    row.mean_rgb[:] = 3e30
    path = write_shard(tmp_path / "a.parquet", [row])
    (block,) = read_blocks(open_features([str(path)]).files[0], "video", [0])
    assert (block.rgb == np.float32(3e30)).all()


@pytest.mark.parametrize("kind", CODE_TYPES)
def test_codes_with_offsets_of_any_width_are_read(tmp_path, kind):
    rows = [feature_row(number, frames=number + 1) for number in range(20)]
    path = write_shard(tmp_path / "a.parquet", rows)
    for name in ("rgb", "audio"):
        replace_column(path, name, pq.read_table(path)[name].cast(pa.list_(kind)))
    assert pq.read_schema(path).field("rgb").type == pa.list_(kind)
    blocks = list(read_blocks(open_features([str(path)]).files[0], "frame", [0]))
    assert len(blocks) == 2
    for name in ("rgb", "audio"):
        codes = np.concatenate([np.asarray(getattr(row, name)) for row in rows])
        np.testing.assert_array_equal(np.concatenate([getattr(block, name) for block in blocks]), codes)
    assert np.diff(blocks[1].frame_offsets).tolist() == [17, 18, 19, 20]


@pytest.mark.parametrize("kind", CODE_TYPES)
def test_codes_of_a_wrong_width_are_refused(tmp_path, kind):
    path = some_rows(tmp_path, 2, frames=2)
    replace_column(path, "rgb", pa.array([[b"x" * DIM] * 2, [b"x" * DIM, b"short"]], pa.list_(kind)))
    with pytest.raises(FeatureFileError, match="a code in rgb has 5 bytes, expected 16"):
        list(read_blocks(open_features([str(path)]).files[0], "frame", [0]))


def test_different_numbers_of_rgb_and_audio_frames_are_refused(tmp_path):
    path = some_rows(tmp_path, 2, frames=2)
    replace_column(path, "rgb", pa.array([[b"x" * DIM] * 2, [b"x" * DIM] * 3], pa.list_(pa.binary())))
    with pytest.raises(FeatureFileError, match="row 1: 3 frames in rgb but 2 in audio"):
        list(read_blocks(open_features([str(path)]).files[0], "frame", [0]))


def test_missing_features_are_refused(tmp_path):
    path = some_rows(tmp_path, 2)
    replace_column(path, "mean_rgb", pa.array([[0.0] * DIM, None], pa.list_(pa.float32(), DIM)))
    with pytest.raises(FeatureFileError, match=r"part\.parquet cannot be read: Expected all lists to be of size=16"):
        list(read_blocks(open_features([str(path)]).files[0], "video", [0]))


def test_codes_of_another_range_are_decoded(tmp_path):
    row = feature_row(1, frames=3)
    for fingerprint, code_range in (({}, None), ({"code_range": "-1..3"}, CodeRange(-1, 3))):
        path = write_shard(tmp_path / "a.parquet", [row], fingerprint)
        (block,) = read_blocks(open_features([str(path)]).files[0], "frame", [0])
        for found, codes in ((block.rgb, np.asarray(row.rgb)), (block.audio, np.asarray(row.audio))):
            np.testing.assert_array_equal(found, codes if code_range is None else dequantize(codes, code_range))

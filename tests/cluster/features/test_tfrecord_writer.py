import numpy as np
import pytest

from cluster.features.tfrecord_files import CODES, MEDIAPIPE_FLOATS, YOUTUBE_8M, inspect_records, tensorflow
from cluster.features.tfrecord_reader import read_records
from cluster.features.tfrecord_writer import write_records
from tests.support.tfrecords import FRAME, VIDEO, frame_records


@pytest.mark.parametrize("path", [VIDEO, FRAME])
def test_written_records_equal_the_ones_read(tmp_path, path):
    write_records(str(tmp_path / "r"), list(read_records(path, path)), YOUTUBE_8M)
    tf = tensorflow()
    kind = tf.train.Example if path == VIDEO else tf.train.SequenceExample
    pairs = [
        [kind.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(file))]
        for file in (path, tmp_path / "r")
    ]
    assert pairs[0] == pairs[1]


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_frames_and_segments_in_both_layouts(tmp_path, kind):
    path, records = str(tmp_path / "r"), frame_records(kind)
    assert write_records(path, [records], {"source": "here"}) == 2
    found = inspect_records(path, path)
    assert found.features == (CODES if kind == np.uint8 else MEDIAPIPE_FLOATS)
    assert (found.level, found.rgb_dim, found.records) == ("frame", 16, 2)
    assert found.fingerprint == {"source": "here"}
    (block,) = read_records(path, path)
    assert (block.ids, block.rgb.dtype) == (["a", "b"], kind)
    np.testing.assert_array_equal(block.rgb, records.rgb)
    np.testing.assert_array_equal(block.audio, records.audio)
    assert block.segments is not None
    assert records.segments is not None
    for name in ("offsets", "labels", "start_seconds", "end_seconds", "scores"):
        np.testing.assert_array_equal(getattr(block.segments, name), getattr(records.segments, name))

import json

import numpy as np
import pytest

from cluster.features.tfrecord_files import RecordError, tensorflow
from cluster.features.tfrecord_reader import read_records
from schemas.quantization import dequantize
from tests.support.parity import FOLDER, golden
from tests.support.tfrecords import FRAME, VIDEO

EXPECTED = json.loads((FOLDER / "tfrecords.json").read_text())


def labels_of(blocks):
    return [
        block.labels.values[first:last].tolist()
        for block in blocks
        for first, last in zip(block.labels.offsets, block.labels.offsets[1:], strict=False)
    ]


@pytest.mark.parametrize("batch_records", [1, 5, 1000])
def test_video_level(batch_records):
    blocks = list(read_records(VIDEO, VIDEO, batch_records))
    assert [name for block in blocks for name in block.ids] == EXPECTED["video_level"]["ids"]
    assert labels_of(blocks) == EXPECTED["video_level"]["labels"]
    np.testing.assert_array_equal(np.concatenate([b.rgb for b in blocks]), golden("tfrecords")["video_mean_rgb"])
    np.testing.assert_array_equal(np.concatenate([b.audio for b in blocks]), golden("tfrecords")["video_mean_audio"])


@pytest.mark.parametrize("batch_records", [1, 3, 1000])
def test_frame_level(batch_records):
    blocks = list(read_records(FRAME, FRAME, batch_records))
    assert [name for block in blocks for name in block.ids] == EXPECTED["frame_level"]["ids"]
    assert labels_of(blocks) == EXPECTED["frame_level"]["labels"]
    assert [int(count) for block in blocks for count in block.num_frames()] == EXPECTED["frame_level"]["frames"]
    np.testing.assert_array_equal(np.concatenate([b.rgb for b in blocks]), golden("tfrecords")["frame_rgb"])
    np.testing.assert_array_equal(np.concatenate([b.audio for b in blocks]), golden("tfrecords")["frame_audio"])


def test_means_of_frames_are_those_of_the_decoded_codes():
    (block,) = read_records(FRAME, FRAME)
    expected = dequantize(golden("tfrecords")["frame_rgb"])[3:15].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(block.means()[0][1], expected, atol=1e-6)


@pytest.mark.parametrize("at", [3, 8, 11, 1000, 4000])
def test_a_flipped_byte_is_reported_with_its_record(tmp_path, at):
    content = bytearray((FOLDER / "video_level.tfrecord").read_bytes())
    size = len(content) // 12
    starts = [0]
    while starts[-1] < len(content):
        starts.append(starts[-1] + int.from_bytes(content[starts[-1] : starts[-1] + 8], "little") + 16)
    content[starts[7] + at] ^= 0x10
    (tmp_path / "r").write_bytes(content)
    assert at < size
    with pytest.raises(RecordError, match=r"gs://b/r, record 7"):
        list(read_records(str(tmp_path / "r"), "gs://b/r"))


def test_a_record_of_another_width_is_refused(tmp_path):
    tf = tensorflow()

    def example(width):
        floats = tf.train.Feature(float_list=tf.train.FloatList(value=[0.0] * width))
        name = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"a"]))
        feature = {"id": name, "mean_rgb": floats, "mean_audio": floats}
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    with tf.io.TFRecordWriter(str(tmp_path / "r")) as writer:
        for width in (4, 4, 4, 5, 4):
            writer.write(example(width))
    with pytest.raises(RecordError, match="record 3 is damaged or differs in layout from the first"):
        list(read_records(str(tmp_path / "r"), "r"))

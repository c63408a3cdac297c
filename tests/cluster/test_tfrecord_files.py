import json

import numpy as np
import pytest

from classifiers.class_choice import LabelLists
from cluster.tfrecord_files import (
    YOUTUBE_8M,
    RecordError,
    Records,
    SegmentLabels,
    inspect_records,
    read_records,
    tensorflow,
    write_records,
)
from schemas.quantization import dequantize
from tests.parity import FOLDER, golden

EXPECTED = json.loads((FOLDER / "tfrecords.json").read_text())
VIDEO, FRAME = str(FOLDER / "video_level.tfrecord"), str(FOLDER / "frame_level.tfrecord")


def labels_of(blocks):
    return [
        block.labels.values[first:last].tolist()
        for block in blocks
        for first, last in zip(block.labels.offsets, block.labels.offsets[1:], strict=False)
    ]


def frame_records(kind=np.uint8):
    rng = np.random.default_rng(0)
    segments = SegmentLabels(
        np.array([0, 2, 2]), np.array([5, 9]), np.array([0, 15]), np.array([5, 20]), np.array([1, 0], np.float32)
    )
    values = [rng.integers(0, 256, (5, dim), np.uint8) for dim in (16, 128)]
    if kind == np.float32:
        values = [dequantize(codes) for codes in values]
    labels = LabelLists(np.array([0, 1, 1]), np.array([3]))
    return Records(["a", "b"], labels, *values, np.array([0, 3, 5]), segments, ["", ""])


@pytest.mark.parametrize("records_at_once", [1, 5, 1000])
def test_video_level(records_at_once):
    blocks = list(read_records(VIDEO, VIDEO, records_at_once))
    assert [name for block in blocks for name in block.ids] == EXPECTED["video_level"]["ids"]
    assert labels_of(blocks) == EXPECTED["video_level"]["labels"]
    np.testing.assert_array_equal(np.concatenate([b.rgb for b in blocks]), golden("tfrecords")["video_mean_rgb"])
    np.testing.assert_array_equal(np.concatenate([b.audio for b in blocks]), golden("tfrecords")["video_mean_audio"])


@pytest.mark.parametrize("records_at_once", [1, 3, 1000])
def test_frame_level(records_at_once):
    blocks = list(read_records(FRAME, FRAME, records_at_once))
    assert [name for block in blocks for name in block.ids] == EXPECTED["frame_level"]["ids"]
    assert labels_of(blocks) == EXPECTED["frame_level"]["labels"]
    assert [int(count) for block in blocks for count in block.num_frames()] == EXPECTED["frame_level"]["frames"]
    np.testing.assert_array_equal(np.concatenate([b.rgb for b in blocks]), golden("tfrecords")["frame_rgb"])
    np.testing.assert_array_equal(np.concatenate([b.audio for b in blocks]), golden("tfrecords")["frame_audio"])


def test_means_of_frames_are_those_of_the_decoded_codes():
    (block,) = read_records(FRAME, FRAME)
    expected = dequantize(golden("tfrecords")["frame_rgb"])[3:15].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(block.means()[0][1], expected, atol=1e-6)


@pytest.mark.parametrize("path", [VIDEO, FRAME])
def test_what_is_written_is_what_was_read(tmp_path, path):
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
    assert (found.level, found.floats, found.rgb_dim, found.records) == ("frame", kind == np.float32, 16, 2)
    assert found.fingerprint == {"source": "here"}
    (block,) = read_records(path, path)
    assert (block.ids, block.rgb.dtype) == (["a", "b"], kind)
    np.testing.assert_array_equal(block.rgb, records.rgb)
    np.testing.assert_array_equal(block.audio, records.audio)
    assert block.segments is not None
    assert records.segments is not None
    for name in ("offsets", "labels", "start_seconds", "end_seconds", "scores"):
        np.testing.assert_array_equal(getattr(block.segments, name), getattr(records.segments, name))


@pytest.mark.parametrize("at", [3, 8, 11, 1000, 4000])
def test_a_flipped_byte_is_told_with_its_record(tmp_path, at):
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


def test_a_file_that_ends_too_early_is_told(tmp_path):
    (tmp_path / "r").write_bytes((FOLDER / "video_level.tfrecord").read_bytes()[:-5])
    with pytest.raises(RecordError, match="record 11: the file ends inside it"):
        inspect_records(str(tmp_path / "r"), "r")


def test_a_record_of_another_width_is_told(tmp_path):
    tf = tensorflow()

    def example(width):
        floats = tf.train.Feature(float_list=tf.train.FloatList(value=[0.0] * width))
        name = tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"a"]))
        feature = {"id": name, "mean_rgb": floats, "mean_audio": floats}
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    with tf.io.TFRecordWriter(str(tmp_path / "r")) as writer:
        for width in (4, 4, 4, 5, 4):
            writer.write(example(width))
    with pytest.raises(RecordError, match="record 3 is damaged or not like the first"):
        list(read_records(str(tmp_path / "r"), "r"))


def test_records_of_another_kind_are_told(tmp_path):
    tf = tensorflow()
    feature = {"image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"jpeg"]))}
    with tf.io.TFRecordWriter(str(tmp_path / "r")) as writer:
        writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    with pytest.raises(RecordError, match="record 0 holds image; expected mean_rgb and mean_audio or rgb and audio"):
        inspect_records(str(tmp_path / "r"), "r")


def test_an_empty_file_holds_no_record(tmp_path):
    (tmp_path / "r").touch()
    assert inspect_records(str(tmp_path / "r"), "r").records == 0
    assert list(read_records(str(tmp_path / "r"), "r")) == []

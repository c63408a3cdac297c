"""Records are what TensorFlow's own parser reads, in the layout of Model Garden's reader; and they read back."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.cutting.sequence_example import ClipRecord, decoded, encoded
from cluster.features.tfrecord_files import tensorflow
from extractors.video.jpeg import encode_jpegs

IMAGES = np.random.default_rng(0).integers(0, 255, (3, 16, 24, 3), np.uint8)
RECORD = ClipRecord(
    id="walks/anna#0003",
    jpegs=tuple(encode_jpegs(IMAGES)),
    timestamps=(0, 40_000, 133_333),
    label_indices=(3, 700),
    label_names=("läuft", "springt"),
    media_id="walks/anna",
    data_path="s3://bucket/anna.mp4",
    start_microseconds=1_500_000,
    end_microseconds=1_700_000,
    height=16,
    width=24,
    frame_rate=15.0,
)


def test_model_gardens_parser_reads_a_record() -> None:
    """The features that official/vision/dataloaders/video_input.py declares, and MediaPipe's."""
    tf = tensorflow()
    context, lists = tf.io.parse_single_sequence_example(
        encoded(RECORD),
        context_features={
            "clip/label/index": tf.io.VarLenFeature(tf.int64),
            "clip/label/string": tf.io.VarLenFeature(tf.string),
            "clip/start/timestamp": tf.io.FixedLenFeature([], tf.int64),
            "image/frame_rate": tf.io.FixedLenFeature([], tf.float32),
        },
        sequence_features={
            "image/encoded": tf.io.FixedLenSequenceFeature((), tf.string),
            "image/timestamp": tf.io.FixedLenSequenceFeature((), tf.int64),
        },
    )
    assert context["clip/label/index"].values.numpy().tolist() == [3, 700]
    assert [name.decode() for name in context["clip/label/string"].values.numpy()] == ["läuft", "springt"]
    assert context["clip/start/timestamp"].numpy() == 1_500_000
    assert context["image/frame_rate"].numpy() == 15.0
    assert lists["image/timestamp"].numpy().tolist() == [0, 40_000, 133_333]
    assert tf.io.decode_jpeg(lists["image/encoded"][1]).shape == (16, 24, 3)


def test_a_record_reads_back() -> None:
    assert decoded(encoded(RECORD)) == ClipRecord(
        **{**vars(RECORD), "jpegs": list(RECORD.jpegs), "timestamps": [0, 40_000, 133_333]}
    )


def test_records_of_others_are_read_with_the_least_that_they_hold() -> None:
    tf = tensorflow()
    train = tf.train
    example = train.SequenceExample()
    example.context.feature["clip/label/index"].int64_list.value.append(-1)
    example.context.feature["clip/label/text"].bytes_list.value.append(b"run")
    example.feature_lists.feature_list["image/encoded"].feature.add().bytes_list.value.append(RECORD.jpegs[0])
    found = decoded(example.SerializeToString())
    assert (found.label_indices, found.label_names, found.jpegs) == ((-1,), ("run",), [RECORD.jpegs[0]])
    assert (found.timestamps, found.frame_rate) == ([], 0.0)


@pytest.mark.parametrize("data", [b"", b"\x0a\xff", b"\x12\x02\x0a\x00", encoded(RECORD)[:100]])
def test_what_holds_no_frames_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"image/encoded|frames|wire|field|message|varint"):
        decoded(data)

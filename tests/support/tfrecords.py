"""YouTube-8M records: files made with its own tools, and some made here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.data.class_choice import LabelLists
from cluster.features.tfrecord_files import tensorflow
from cluster.features.tfrecord_reader import Records, SegmentLabels
from schemas.quantization import YOUTUBE_8M_RANGE, CodeRange, dequantize
from tests.support.parity import FOLDER

VIDEO, FRAME = str(FOLDER / "video_level.tfrecord"), str(FOLDER / "frame_level.tfrecord")
KEYED_VIDEO_ID = str(FOLDER.parent / "tensorflow" / "frames_keyed_video_id.tfrecord")  # as of 2016


def frame_records(kind: type = np.uint8, code_range: CodeRange = YOUTUBE_8M_RANGE) -> Records:
    """Two videos of 3 and 2 frames, with segments; as codes, or as the floats that they stand for."""
    rng = np.random.default_rng(0)
    segments = SegmentLabels(
        np.array([0, 2, 2]), np.array([5, 9]), np.array([0, 15]), np.array([5, 20]), np.array([1, 0], np.float32)
    )
    values: list[Any] = [rng.integers(0, 256, (5, dim), np.uint8) for dim in (16, 128)]
    if kind == np.float32:
        values = [dequantize(codes, code_range) for codes in values]
    labels = LabelLists(np.array([0, 1, 1]), np.array([3]))
    return Records(["a", "b"], labels, *values, np.array([0, 3, 5]), segments, ["", ""])


def record(context: Mapping[str, Any], lists: Mapping[str, Sequence[Any]] | None = None) -> bytes:
    """An Example; with `lists` a SequenceExample. A value is a list of bytes, of floats or of integers."""
    train = tensorflow().train
    features = train.Features(feature={name: _feature(values) for name, values in context.items()})
    if lists is None:
        return bytes(train.Example(features=features).SerializeToString(deterministic=True))
    made = {name: train.FeatureList(feature=list(map(_feature, frames))) for name, frames in lists.items()}
    sequence = train.SequenceExample(context=features, feature_lists=train.FeatureLists(feature_list=made))
    return bytes(sequence.SerializeToString(deterministic=True))


def means_record(**context: Any) -> bytes:
    """An Example of a video; fields may be replaced, and left out by None."""
    fields = {"id": [b"a"], "labels": [3], "mean_rgb": [0.5] * 4, "mean_audio": [0.25] * 2, **context}
    return record({name: values for name, values in fields.items() if values is not None})


def frames_record(frames: int = 2, lists: Mapping[str, Sequence[Any]] | None = None, **context: Any) -> bytes:
    """A SequenceExample of a video; fields may be replaced, and left out by None."""
    fields = {"id": [b"a"], "labels": [3], **context}
    codes = {"rgb": [[bytes(4)]] * frames, "audio": [[bytes(2)]] * frames} if lists is None else lists
    return record({name: values for name, values in fields.items() if values is not None}, codes)


def write_tfrecord(path: Path, *records: bytes, compression: str | None = None) -> str:
    """A file of these records."""
    with tensorflow().io.TFRecordWriter(str(path), compression) as writer:
        for data in records:
            writer.write(data)
    return str(path)


def _feature(values: Sequence[Any]) -> Any:
    train = tensorflow().train
    if not values:
        return train.Feature()
    if isinstance(values[0], bytes):
        return train.Feature(bytes_list=train.BytesList(value=values))
    if isinstance(values[0], int):
        return train.Feature(int64_list=train.Int64List(value=values))
    return train.Feature(float_list=train.FloatList(value=values))

"""Writes YouTube-8M's `.tfrecord` files, in the layouts of `cluster.features.tfrecord_files`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from cluster.features.tfrecord_files import (
    CODES,
    EXTRA,
    FINGERPRINT,
    MEDIAPIPE_FLOATS,
    SEGMENTS,
    YOUTUBE_8M,
    tensorflow,
)
from cluster.features.tfrecord_reader import Records
from schemas.fingerprint import fingerprint_text


def write_records(path: str, blocks: Iterable[Records], fingerprint: Mapping[str, str]) -> int:
    """Write records to a local file, at the level of their features. Returns their number."""
    tf = tensorflow()
    count = 0
    with tf.io.TFRecordWriter(path) as writer:
        for block in blocks:
            for row in range(len(block)):
                writer.write(_message(tf, block, row, dict(fingerprint) if count == 0 else None).SerializeToString())
                count += 1
    return count


def _message(tf: ModuleType, block: Records, row: int, fingerprint: dict[str, str] | None) -> Any:
    train = tf.train

    def integers(values: Any) -> Any:
        return train.Feature(int64_list=train.Int64List(value=values))

    def floats(values: Any) -> Any:
        return train.Feature(float_list=train.FloatList(value=values))

    def data(*values: bytes) -> Any:
        return train.Feature(bytes_list=train.BytesList(value=values))

    first, last = block.labels.offsets[row : row + 2]
    context = {"id": data(block.ids[row].encode()), "labels": integers(block.labels.values[first:last])}
    if block.extras[row]:
        context[EXTRA] = data(block.extras[row].encode())
    if fingerprint is not None and fingerprint != YOUTUBE_8M:
        context[FINGERPRINT] = data(fingerprint_text(fingerprint).encode())
    if block.frame_offsets is None:
        context["mean_rgb"], context["mean_audio"] = floats(block.rgb[row]), floats(block.audio[row])
        return train.Example(features=train.Features(feature=context))
    if block.segments is not None:
        first, last = block.segments.offsets[row : row + 2]
        columns = (block.segments.labels, block.segments.start_seconds, block.segments.end_seconds)
        if last > first:
            context |= {name: integers(values[first:last]) for name, values in zip(SEGMENTS, columns, strict=False)}
            context[SEGMENTS[3]] = floats(block.segments.scores[first:last])
    start, end = block.frame_offsets[row : row + 2]
    is_codes = block.rgb.dtype == np.uint8
    lists = {
        name: train.FeatureList(feature=[data(frame.tobytes()) if is_codes else floats(frame) for frame in frames])
        for name, frames in zip(
            CODES if is_codes else MEDIAPIPE_FLOATS, (block.rgb[start:end], block.audio[start:end]), strict=True
        )
    }
    return train.SequenceExample(
        context=train.Features(feature=context), feature_lists=train.FeatureLists(feature_list=lists)
    )

"""YouTube-8M records: files made with its own tools, and some made here."""

from __future__ import annotations

from typing import Any

import numpy as np

from classifiers.data.class_choice import LabelLists
from cluster.features.tfrecord_reader import Records, SegmentLabels
from schemas.quantization import dequantize
from tests.support.parity import FOLDER

VIDEO, FRAME = str(FOLDER / "video_level.tfrecord"), str(FOLDER / "frame_level.tfrecord")


def frame_records(kind: type = np.uint8) -> Records:
    """Two videos of 3 and 2 frames, with segments."""
    rng = np.random.default_rng(0)
    segments = SegmentLabels(
        np.array([0, 2, 2]), np.array([5, 9]), np.array([0, 15]), np.array([5, 20]), np.array([1, 0], np.float32)
    )
    values: list[Any] = [rng.integers(0, 256, (5, dim), np.uint8) for dim in (16, 128)]
    if kind == np.float32:
        values = [dequantize(codes) for codes in values]
    labels = LabelLists(np.array([0, 1, 1]), np.array([3]))
    return Records(["a", "b"], labels, *values, np.array([0, 3, 5]), segments, ["", ""])

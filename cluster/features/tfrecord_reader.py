"""Reads the records of YouTube-8M's `.tfrecord` files as arrays.

In: a file on disk, in one of the layouts of `cluster.features.tfrecord_files`. Out: `Records`, parsed batch by batch in
tensorflow's own threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.data.class_choice import LabelLists
from cluster.features.tfrecord_files import (
    CODES,
    EXTRA,
    FRAME,
    MAX_LABEL,
    MEDIAPIPE_FLOATS,
    SEGMENTS,
    VIDEO,
    RecordFile,
    inspect_records,
    records_at,
    tensorflow,
)
from cluster.features.tfrecord_problems import problem_of
from cluster.storage.tfrecords import RecordError, damaged
from schemas.quantization import YOUTUBE_8M_RANGE, CodeRange, dequantize

BATCH_RECORDS = 1024


@dataclass(frozen=True)
class SegmentLabels:
    """Labels of segments of N videos; those of video n are at `offsets[n]` to `offsets[n + 1]` of each array."""

    offsets: NDArray[np.int64]
    labels: NDArray[np.int64]
    start_seconds: NDArray[np.int64]
    end_seconds: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Records:
    """N records.

    rgb, audio     (N, D) float32 means; or (F, D) uint8 codes or float32 of the F frames of all N videos
    frame_offsets  (N + 1,) int64, where each video's frames start; None at video level
    extras         a JSON object for each record that we wrote, an empty string for others
    code_range     that of the codes
    """

    ids: list[str]
    labels: LabelLists
    rgb: NDArray[Any]
    audio: NDArray[Any]
    frame_offsets: NDArray[np.int64] | None
    segments: SegmentLabels | None
    extras: list[str]
    code_range: CodeRange = YOUTUBE_8M_RANGE

    def __len__(self) -> int:
        return len(self.ids)

    def num_frames(self) -> NDArray[np.int64]:
        """Frames of each video; 0 at video level, where it is unknown."""
        if self.frame_offsets is None:
            return np.zeros(len(self), np.int64)
        return np.diff(self.frame_offsets)

    def means(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, D) means; at frame level those of the decoded frames."""
        if self.frame_offsets is None:
            return self.rgb, self.audio
        return self._mean(self.rgb), self._mean(self.audio)

    def _mean(self, frames: NDArray[Any]) -> NDArray[np.float32]:
        assert self.frame_offsets is not None
        values = dequantize(frames, self.code_range) if frames.dtype == np.uint8 else frames
        means = np.zeros((len(self), values.shape[1]), np.float32)
        for row, (start, end) in enumerate(zip(self.frame_offsets, self.frame_offsets[1:], strict=False)):
            if end > start:
                means[row] = values[start:end].mean(axis=0, dtype=np.float64)
        return means


def read_records(
    path: str, uri: str, batch_records: int = BATCH_RECORDS, code_range: CodeRange | None = None
) -> Iterator[Records]:
    """All records of the file at `path`, in order; `code_range` as in `inspect_records`.

    Raises:
        RecordError: for a damaged record, one whose layout differs from the first, one without an id, and labels that
            are no class indices.
    """
    file = inspect_records(path, uri, code_range)
    if not file.records:
        return
    tf = tensorflow()
    parse = _video_parser(tf, file) if file.level == VIDEO else _frame_parser(tf, file)
    dataset = tf.data.TFRecordDataset(path, buffer_size=8 << 20).batch(batch_records)
    dataset = dataset.map(parse, num_parallel_calls=2, deterministic=True).prefetch(2)
    done = 0
    iterator = iter(dataset)
    while True:
        try:
            tensors = next(iterator, None)
        except (tf.errors.OpError, UnicodeDecodeError) as error:  # tensorflow's own texts may quote a record's bytes
            raise _unreadable(tf, path, uri, file, parse, done) from error
        if tensors is None:
            return
        records = _records(tensors, file, uri, done)
        _check_empty(path, uri, file, records, done)
        done += len(records)
        yield records


def _video_parser(tf: ModuleType, file: RecordFile) -> Any:
    features = {
        file.id_field: tf.io.FixedLenFeature([], tf.string, ""),
        "labels": tf.io.RaggedFeature(tf.int64),
        "mean_rgb": tf.io.FixedLenFeature([file.rgb_dim], tf.float32),
        "mean_audio": tf.io.FixedLenFeature([file.audio_dim], tf.float32),
        EXTRA: tf.io.FixedLenFeature([], tf.string, ""),
    }

    def parse(serialized: Any) -> dict[str, Any]:
        parsed = tf.io.parse_example(serialized, features)
        return {**parsed, "rgb": parsed["mean_rgb"], "audio": parsed["mean_audio"]}

    return parse


def _frame_parser(tf: ModuleType, file: RecordFile) -> Any:
    context = {
        file.id_field: tf.io.FixedLenFeature([], tf.string, ""),
        "labels": tf.io.RaggedFeature(tf.int64),
        **{name: tf.io.RaggedFeature(tf.int64) for name in SEGMENTS[:3]},
        SEGMENTS[3]: tf.io.RaggedFeature(tf.float32),
        EXTRA: tf.io.FixedLenFeature([], tf.string, ""),
    }
    is_floats = file.features == MEDIAPIPE_FLOATS
    sequence = {name: tf.io.RaggedFeature(tf.float32 if is_floats else tf.string) for name in file.features}

    def parse(serialized: Any) -> dict[str, Any]:
        found, lists, _ = tf.io.parse_sequence_example(serialized, context, sequence)
        result = dict(found)
        for name, key, width in zip(file.features, CODES, (file.rgb_dim, file.audio_dim), strict=True):
            ragged = lists[name]  # (N, frames, values of a frame)
            flat = ragged.flat_values
            if is_floats:
                tf.debugging.assert_equal(ragged.values.row_lengths(), width, f"width of {name}")
                result[key] = tf.reshape(flat, [-1, width])
            else:
                tf.debugging.assert_equal(tf.strings.length(flat), width, f"width of {name}")
                result[key] = tf.reshape(tf.io.decode_raw(flat, tf.uint8), [-1, width])
            result[f"{key}_offsets"] = ragged.row_splits
        tf.debugging.assert_equal(result["rgb_offsets"], result["audio_offsets"], "frames of rgb and audio")
        return result

    return parse


def _records(tensors: Mapping[str, Any], file: RecordFile, uri: str, done: int) -> Records:
    ids = _texts(tensors[file.id_field].numpy(), file.id_field, uri, done)
    segments = None
    offsets = None
    if file.level == FRAME:
        offsets = tensors["rgb_offsets"].numpy().astype(np.int64)
        segments = _segments(tensors, uri, done)
    return Records(
        ids,
        _labels(tensors["labels"], uri, done),
        tensors["rgb"].numpy(),
        tensors["audio"].numpy(),
        offsets,
        segments,
        _texts(tensors[EXTRA].numpy(), EXTRA, uri, done),
        file.code_range,
    )


def _texts(values: Sequence[bytes], name: str, uri: str, done: int) -> list[str]:
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError as error:
        number = done + list(values).index(error.object)
        raise RecordError(f"{uri}, record {number}: {name} is {error.object!r}, which is not UTF-8") from error


def _labels(labels: Any, uri: str, done: int) -> LabelLists:
    offsets, values = labels.row_splits.numpy().astype(np.int64), labels.values.numpy()
    wrong = np.flatnonzero((values < 0) | (values > MAX_LABEL))
    if len(wrong):
        number = done + int(np.searchsorted(offsets, wrong[0], side="right")) - 1
        raise RecordError(
            f"{uri}, record {number}: label {values[wrong[0]]} is no class index; those are from 0 to {MAX_LABEL}"
        )
    return LabelLists(offsets, values)


def _segments(tensors: Mapping[str, Any], uri: str, done: int) -> SegmentLabels | None:
    splits = [tensors[name].row_splits.numpy() for name in SEGMENTS]
    if not any(split[-1] for split in splits):
        return None
    counts = np.stack([np.diff(split) for split in splits])
    wrong = np.flatnonzero((counts != counts[0]).any(axis=0))
    if len(wrong):
        raise RecordError(
            f"{uri}, record {done + wrong[0]}: {', '.join(SEGMENTS)} have {counts[:, wrong[0]].tolist()} values; "
            "expected the same number of each"
        )
    values = [tensors[name].values.numpy() for name in SEGMENTS]
    return SegmentLabels(splits[0].astype(np.int64), *values)


def _check_empty(path: str, uri: str, file: RecordFile, records: Records, done: int) -> None:
    """Refuse records without an id and of another kind, which tensorflow takes for videos without frames."""
    is_empty = np.array([not name for name in records.ids])
    if records.frame_offsets is not None:
        is_empty |= records.num_frames() == 0
    numbers = (done + np.flatnonzero(is_empty)).tolist()
    for number, data in zip(numbers, records_at(path, uri, numbers), strict=True):
        problem = problem_of(data, file)
        if problem:
            raise RecordError(f"{uri}, record {number} {problem}")


def _unreadable(tf: ModuleType, path: str, uri: str, file: RecordFile, parse: Any, start: int) -> RecordError:
    """The error for the first record from `start` on that cannot be read; called after a failure."""
    number = start
    iterator = iter(tf.data.TFRecordDataset(path).skip(start).batch(1).map(parse))
    try:
        while next(iterator, None) is not None:
            number += 1
    except tf.errors.DataLossError:
        return damaged(uri, number)
    except (tf.errors.OpError, UnicodeDecodeError):
        (data,) = records_at(path, uri, [number])
        return RecordError(f"{uri}, record {number} {problem_of(data, file) or 'differs in layout from record 0'}")
    return RecordError(f"{uri}: records {start} to {number - 1} cannot be read together")

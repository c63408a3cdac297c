"""YouTube-8M's `.tfrecord` files, read and written: means of videos, features of frames, labels of segments.

- video level, `tf.train.Example`: id, labels, mean_rgb, mean_audio
- frame level, `tf.train.SequenceExample`: id and labels in the context; rgb and audio, a byte string of 8-bit codes for
  each second; or MediaPipe's layout, RGB/feature/floats and AUDIO/feature/floats, a list of floats for each second
- segments, in the context of frame-level records: segment_labels, segment_start_times, segment_end_times and
  segment_scores

Which it is shows in a file's first record. Records that we write may carry more about a video (`EXTRA`), under a name
that other readers pass over; the first record of a file then holds the fingerprint of the features.

This is the one home of tensorflow. Records are parsed a batch at a time in its own threads.

Source: google/youtube-8m, `readers.py` (names and types); google-ai-edge/mediapipe, `docs/youtube_8m.md`
(its layout).
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from classifiers.class_choice import LabelLists
from schemas.quantization import dequantize

VIDEO, FRAME = "video", "frame"
MEANS = ("mean_rgb", "mean_audio")
CODES = ("rgb", "audio")
MEDIAPIPE_FLOATS = ("RGB/feature/floats", "AUDIO/feature/floats")
MEDIAPIPE_ID = "clip/data_id"
SEGMENTS = ("segment_labels", "segment_start_times", "segment_end_times", "segment_scores")
FINGERPRINT = "framemill/fingerprint"
EXTRA = "framemill/video"
# What is told of features that came without a fingerprint, so that they never mix with what was extracted here.
YOUTUBE_8M = {"source": "youtube-8m"}
RECORDS_AT_ONCE = 1024
_LENGTH = struct.Struct("<Q")
_FRAMING_BYTES = 16  # length, its checksum, the data's checksum


class RecordError(Exception):
    """A file that is no `.tfrecord` of the known kinds, or is damaged; the message says which file and record."""


@dataclass(frozen=True)
class RecordFile:
    """What a file holds. `floats`: frames come as MediaPipe's floats and not as codes."""

    level: str
    floats: bool
    rgb_dim: int
    audio_dim: int
    records: int
    fingerprint: Mapping[str, str]


@dataclass(frozen=True)
class SegmentLabels:
    """Labels of stretches of N videos; those of video n are at `offsets[n]` to `offsets[n + 1]` of each array."""

    offsets: NDArray[np.int64]
    labels: NDArray[np.int64]
    start_seconds: NDArray[np.int64]
    end_seconds: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Records:
    """N records.

    rgb, audio     float32 (N, D) means; or of the F frames of all videos (F, D), uint8 codes or float32
    frame_offsets  (N + 1,) int64, where each video's frames start; None at video level
    extras         one JSON object for each record that we wrote, empty strings for others
    """

    ids: list[str]
    labels: LabelLists
    rgb: NDArray[Any]
    audio: NDArray[Any]
    frame_offsets: NDArray[np.int64] | None
    segments: SegmentLabels | None
    extras: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    def num_frames(self) -> NDArray[np.int64]:
        """Frames of each video; 0 at video level, where nothing says it."""
        if self.frame_offsets is None:
            return np.zeros(len(self), np.int64)
        return np.diff(self.frame_offsets)

    def means(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, D) means; at frame level those of the frames, codes being decoded first."""
        if self.frame_offsets is None:
            return self.rgb, self.audio
        return self._mean(self.rgb), self._mean(self.audio)

    def _mean(self, frames: NDArray[Any]) -> NDArray[np.float32]:
        assert self.frame_offsets is not None
        values = dequantize(frames) if frames.dtype == np.uint8 else frames
        means = np.zeros((len(self), values.shape[1]), np.float32)
        for row, (start, end) in enumerate(zip(self.frame_offsets, self.frame_offsets[1:], strict=False)):
            if end > start:
                means[row] = values[start:end].mean(axis=0, dtype=np.float64)
        return means


def tensorflow() -> ModuleType:
    """TensorFlow, or an error that names the extra to install."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # it tells about its own build otherwise
    try:
        import tensorflow as tf
    except ImportError as error:
        raise RecordError(".tfrecord files need another library: pip install 'framemill[tensorflow]'") from error
    return cast(ModuleType, tf)


def inspect_records(path: str, uri: str) -> RecordFile:
    """What the file at `path` holds (errors call it `uri`), by its first record and the lengths of all.

    Raises:
        RecordError: where the first record is of no known kind, or the file does not end with a whole record.
    """
    count = _count_records(path, uri)
    if not count:
        return RecordFile(VIDEO, False, 0, 0, 0, dict(YOUTUBE_8M))
    tf = tensorflow()
    try:
        first = next(iter(tf.data.TFRecordDataset(path).take(1))).numpy()
    except tf.errors.DataLossError as error:
        raise _damaged(uri, 0, error) from error
    # An Example's one field has the number of a SequenceExample's context: both read as a SequenceExample.
    try:
        sequence = tf.train.SequenceExample.FromString(first)
    except Exception as error:
        raise RecordError(f"{uri}, record 0 is neither a tf.train.Example nor a SequenceExample: {error}") from error
    context, lists = sequence.context.feature, sequence.feature_lists.feature_list
    fingerprint = dict(YOUTUBE_8M)
    if FINGERPRINT in context:
        fingerprint = json.loads(context[FINGERPRINT].bytes_list.value[0])
    if all(name in context for name in MEANS):
        widths = [len(context[name].float_list.value) for name in MEANS]
        return RecordFile(VIDEO, False, widths[0], widths[1], count, fingerprint)
    for names, floats in ((CODES, False), (MEDIAPIPE_FLOATS, True)):
        if all(name in lists for name in names):
            frames = [lists[name].feature for name in names]
            if not all(frames):
                raise RecordError(f"{uri}, record 0 has no frame, so that nothing tells how wide features are")
            widths = [len(f[0].float_list.value) if floats else len(f[0].bytes_list.value[0]) for f in frames]
            return RecordFile(FRAME, floats, widths[0], widths[1], count, fingerprint)
    found = ", ".join(sorted([*context, *lists])) or "nothing"
    expected = " or ".join(" and ".join(names) for names in (MEANS, CODES, MEDIAPIPE_FLOATS))
    raise RecordError(f"{uri}, record 0 holds {found}; expected {expected}")


def read_records(path: str, uri: str, records_at_once: int = RECORDS_AT_ONCE) -> Iterator[Records]:
    """All records of the file at `path`, in their order.

    Raises:
        RecordError: for a damaged record and for one that is not like the first.
    """
    file = inspect_records(path, uri)
    if not file.records:
        return
    tf = tensorflow()
    parse = _video_parser(tf, file) if file.level == VIDEO else _frame_parser(tf, file)
    dataset = tf.data.TFRecordDataset(path, buffer_size=8 << 20).batch(records_at_once)
    dataset = dataset.map(parse, num_parallel_calls=2, deterministic=True).prefetch(2)
    done = 0
    iterator = iter(dataset)
    while True:
        try:
            tensors = next(iterator, None)
        except tf.errors.OpError as error:
            raise _damaged(uri, _first_bad_record(tf, path, parse, done), error) from error
        if tensors is None:
            return
        records = _records(tensors, file, uri, done)
        done += len(records)
        yield records


def write_records(path: str, blocks: Iterator[Records] | Sequence[Records], fingerprint: Mapping[str, str]) -> int:
    """Write records to a local file; frame-level ones where blocks hold frames. Returns how many there were."""
    tf = tensorflow()
    count = 0
    with tf.io.TFRecordWriter(path) as writer:
        for block in blocks:
            for row in range(len(block)):
                writer.write(_message(tf, block, row, dict(fingerprint) if count == 0 else None).SerializeToString())
                count += 1
    return count


def _count_records(path: str, uri: str) -> int:
    size, position, count = os.path.getsize(path), 0, 0
    with open(path, "rb") as file:
        while position < size:
            file.seek(position)
            head = file.read(_LENGTH.size)
            if len(head) == _LENGTH.size:
                position += _LENGTH.unpack(head)[0] + _FRAMING_BYTES
            if len(head) < _LENGTH.size or position > size:
                raise RecordError(f"{uri}, record {count}: the file ends inside it, or its length is damaged")
            count += 1
    return count


def _video_parser(tf: ModuleType, file: RecordFile) -> Any:
    features = {
        "id": tf.io.FixedLenFeature([], tf.string),
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
        "id": tf.io.FixedLenFeature([], tf.string, ""),
        MEDIAPIPE_ID: tf.io.FixedLenFeature([], tf.string, ""),
        "labels": tf.io.RaggedFeature(tf.int64),
        **{name: tf.io.RaggedFeature(tf.int64) for name in SEGMENTS[:3]},
        SEGMENTS[3]: tf.io.RaggedFeature(tf.float32),
        EXTRA: tf.io.FixedLenFeature([], tf.string, ""),
    }
    names = MEDIAPIPE_FLOATS if file.floats else CODES
    kind = tf.float32 if file.floats else tf.string
    sequence = {name: tf.io.RaggedFeature(kind) for name in names}

    def parse(serialized: Any) -> dict[str, Any]:
        found, lists, _ = tf.io.parse_sequence_example(serialized, context, sequence)
        result = dict(found)
        for name, key, width in zip(names, CODES, (file.rgb_dim, file.audio_dim), strict=True):
            ragged = lists[name]  # (N, frames, values of a frame)
            flat = ragged.flat_values
            if file.floats:
                tf.debugging.assert_equal(ragged.values.row_lengths(), width, f"width of {name}")
                result[key] = tf.reshape(flat, [-1, width])
            else:
                tf.debugging.assert_equal(tf.strings.length(flat), width, f"width of {name}")
                result[key] = tf.reshape(tf.io.decode_raw(flat, tf.uint8), [-1, width])
            result[f"{key}_offsets"] = ragged.row_splits
        tf.debugging.assert_equal(result["rgb_offsets"], result["audio_offsets"], "frames of picture and sound")
        return result

    return parse


def _records(tensors: Mapping[str, Any], file: RecordFile, uri: str, done: int) -> Records:
    ids = [value.decode() for value in tensors["id"].numpy()]
    segments = None
    offsets = None
    if file.level == FRAME:
        ids = [name or other.decode() for name, other in zip(ids, tensors[MEDIAPIPE_ID].numpy(), strict=True)]
        offsets = tensors["rgb_offsets"].numpy().astype(np.int64)
        segments = _segments(tensors, uri, done)
    labels = tensors["labels"]
    return Records(
        ids,
        LabelLists(labels.row_splits.numpy().astype(np.int64), labels.values.numpy()),
        tensors["rgb"].numpy(),
        tensors["audio"].numpy(),
        offsets,
        segments,
        [value.decode() for value in tensors[EXTRA].numpy()],
    )


def _segments(tensors: Mapping[str, Any], uri: str, done: int) -> SegmentLabels | None:
    splits = [tensors[name].row_splits.numpy() for name in SEGMENTS]
    if not any(split[-1] for split in splits):
        return None
    counts = np.stack([np.diff(split) for split in splits])
    wrong = np.flatnonzero((counts != counts[0]).any(axis=0))
    if len(wrong):
        raise RecordError(
            f"{uri}, record {done + wrong[0]}: {', '.join(SEGMENTS)} have {counts[:, wrong[0]].tolist()} values; "
            "expected as many of each"
        )
    values = [tensors[name].values.numpy() for name in SEGMENTS]
    return SegmentLabels(splits[0].astype(np.int64), *values)


def _first_bad_record(tf: ModuleType, path: str, parse: Any, start: int) -> int:
    """The number of the first record from `start` on that cannot be read; only asked once something is wrong."""
    number = start
    iterator = iter(tf.data.TFRecordDataset(path).skip(start).batch(1).map(parse))
    try:
        while next(iterator, None) is not None:
            number += 1
    except tf.errors.OpError:
        pass
    return number


def _damaged(uri: str, number: int, error: Exception) -> RecordError:
    reason = str(getattr(error, "message", error)).splitlines()[0][:300]
    return RecordError(f"{uri}, record {number} is damaged or not like the first: {reason}")


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
        context[FINGERPRINT] = data(json.dumps(fingerprint, sort_keys=True).encode())
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

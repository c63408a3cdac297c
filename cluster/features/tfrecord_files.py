"""The layouts of YouTube-8M's `.tfrecord` files: means of videos, features of frames, labels of segments.

- video level, `tf.train.Example`: id, labels, mean_rgb, mean_audio
- frame level, `tf.train.SequenceExample`: id and labels in the context; rgb and audio, a byte string of 8-bit codes for
  each second; or MediaPipe's layout, RGB/feature/floats and AUDIO/feature/floats, a list of floats for each second
- segments, in the context of frame-level records: segment_labels, segment_start_times, segment_end_times and
  segment_scores

A file's first record shows its layout, and which of `IDS` holds the ids. Lengths are checked before anything is read by
them: against the file, their checksums, and `MAX_RECORD_BYTES`. Records that we write may carry more about a
video (`EXTRA`), in a field that other readers ignore; the first record of a file then holds the fingerprint of the
features.

`tfrecord_problems`, `tfrecord_reader` and `tfrecord_writer` import tensorflow through this module.

Source: google/youtube-8m, `readers.py` (names and types); google-ai-edge/mediapipe, `docs/youtube_8m.md`
(its layout) and `util/sequence/media_sequence.h` (its ids).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import ModuleType
from typing import IO, Any, cast

from cluster.storage.tfrecords import RecordError, RecordPlace, damaged, record_places
from schemas.fingerprint import parse_fingerprint
from schemas.quantization import CODE_RANGE, YOUTUBE_8M_RANGE, CodeRange, code_range_of

VIDEO, FRAME = "video", "frame"
MEANS = ("mean_rgb", "mean_audio")
CODES = ("rgb", "audio")
MEDIAPIPE_FLOATS = ("RGB/feature/floats", "AUDIO/feature/floats")
# Fields that name the video, in the order of preference: YouTube-8M's of today and of 2016, then MediaPipe's.
IDS = ("id", "video_id", "clip/data_id", "clip/media_id", "example/id", "clip/data_path")
SEGMENTS = ("segment_labels", "segment_start_times", "segment_end_times", "segment_scores")
FINGERPRINT = "framemill/fingerprint"
EXTRA = "framemill/video"
# The fingerprint of features that came without one, so that they never mix with extracted ones.
YOUTUBE_8M = {"source": "youtube-8m"}
MAX_LABEL = 2**31 - 1  # shards hold int32
MAX_RECORD_BYTES = 128 << 20  # 32 hours of codes
MAX_WIDTH = 1 << 16  # of a feature


@dataclass(frozen=True)
class RecordFile:
    """The layout of a file.

    features  the fields that hold the features: `MEANS`, `CODES` or `MEDIAPIPE_FLOATS`
    id_field  the one of `IDS` that holds the ids
    """

    features: tuple[str, str]
    id_field: str
    rgb_dim: int
    audio_dim: int
    records: int
    fingerprint: Mapping[str, str]

    @property
    def level(self) -> str:
        """`VIDEO` or `FRAME`."""
        return VIDEO if self.features == MEANS else FRAME

    @property
    def code_range(self) -> CodeRange:
        """The range of its codes."""
        return code_range_of(self.fingerprint)


def tensorflow() -> ModuleType:
    """TensorFlow, or an error that names the extra to install."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no notes about its own build
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # nor about arithmetic: it only reads and writes here
    try:
        import tensorflow as tf
    except ImportError as error:
        raise RecordError(".tfrecord files need another library: pip install 'framemill[tensorflow]'") from error
    return cast(ModuleType, tf)


def inspect_records(path: str, uri: str, code_range: CodeRange | None = None) -> RecordFile:
    """The layout of the file at `path` (`uri` in errors), from its first record and the lengths of all records.

    code_range  that of the codes; None for the one that the file records, or YouTube-8M's

    Raises:
        RecordError: for a first record of an unknown layout, a file that does not end with a complete record, or one
            that records another range.
    """
    with open(path, "rb") as file:
        count = sum(1 for _ in _places(file, uri))
    if not count:
        return RecordFile(MEANS, IDS[0], 0, 0, 0, dict(YOUTUBE_8M))
    tf = tensorflow()
    try:
        first = next(iter(tf.data.TFRecordDataset(path).take(1))).numpy()
    except tf.errors.DataLossError as error:
        raise damaged(uri, 0) from error
    try:
        context, lists = parse_record(first)
    except ValueError as error:
        raise RecordError(f"{uri}, record 0 {error}") from error
    fingerprint = _fingerprint(context, uri, code_range)
    features = layout_of(context, lists)
    found = ", ".join(sorted([*context, *lists])) or "nothing"
    if features is None:
        expected = " or ".join(" and ".join(names) for names in (MEANS, CODES, MEDIAPIPE_FLOATS))
        raise RecordError(f"{uri}, record 0 holds {found}; expected {expected}")
    id_field = next((name for name in IDS if name in context), None)
    if id_field is None:
        raise RecordError(f"{uri}, record 0 has no id: it holds {found}; expected one of {', '.join(IDS)}")
    if features == MEANS:
        widths = [len(context[name].float_list.value) for name in MEANS]
    else:
        frames = [lists[name].feature for name in features]
        if not all(frames):
            raise RecordError(f"{uri}, record 0 has no frame, so the width of the features is unknown")
        widths = [frame_width(frame[0]) for frame in frames]
    if not all(widths):
        raise RecordError(f"{uri}, record 0: {features[widths.index(0)]} holds no value")
    if max(widths) > MAX_WIDTH:
        wide = features[widths.index(max(widths))]
        raise RecordError(f"{uri}, record 0: {wide} is {max(widths):,} wide, more than the {MAX_WIDTH:,} allowed")
    return RecordFile(features, id_field, widths[0], widths[1], count, fingerprint)


def parse_record(data: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The fields of a record, and its lists of fields, which an Example has none of; raises `ValueError` for others."""
    # An Example's only field has the number of a SequenceExample's context, so both parse as a SequenceExample.
    tf = tensorflow()
    try:
        sequence = tf.train.SequenceExample.FromString(data)
    except Exception as error:  # protobuf's own kinds of errors depend on how it was built
        raise ValueError("is neither a tf.train.Example nor a SequenceExample") from error
    return sequence.context.feature, sequence.feature_lists.feature_list


def layout_of(context: Mapping[str, Any], lists: Mapping[str, Any]) -> tuple[str, str] | None:
    """Which fields of a record hold its features; None if none do."""
    for names, fields in ((MEANS, context), (CODES, lists), (MEDIAPIPE_FLOATS, lists)):
        if all(name in fields for name in names):
            return names
    return None


def frame_width(frame: Any) -> int:
    """The number of values of a frame: bytes, or floats."""
    return len(frame.float_list.value) or sum(map(len, frame.bytes_list.value))


def records_at(path: str, uri: str, numbers: Iterable[int]) -> Iterator[bytes]:
    """The bytes of some records, by ascending numbers; their checksums are not checked."""
    with open(path, "rb") as file:
        places, passed = _places(file, uri), 0
        for number in numbers:
            place = next(islice(places, number - passed, None))
            passed = number + 1
            file.seek(place.start)
            yield file.read(place.length)


def _places(file: IO[bytes], uri: str) -> Iterator[RecordPlace]:
    """Where each record lies."""
    for place in record_places(file, uri):
        if place.length > MAX_RECORD_BYTES:
            raise RecordError(
                f"{uri}, record {place.number} claims {place.length:,} bytes, more than the {MAX_RECORD_BYTES:,} "
                "allowed for a video\nSplit it into several"
            )
        yield place


def _fingerprint(context: Mapping[str, Any], uri: str, code_range: CodeRange | None) -> dict[str, str]:
    """The fingerprint that the first record holds, or that of records without one."""
    if FINGERPRINT not in context:
        is_special = code_range not in (None, YOUTUBE_8M_RANGE)
        return {**YOUTUBE_8M, CODE_RANGE: str(code_range)} if is_special else dict(YOUTUBE_8M)
    try:
        fingerprint = parse_fingerprint(b"".join(context[FINGERPRINT].bytes_list.value))
        recorded = code_range_of(fingerprint)
    except ValueError as error:
        raise RecordError(f"{uri}, record 0: {FINGERPRINT} cannot be read: {error}") from error
    if code_range not in (None, recorded):
        raise RecordError(f"{uri} says itself that its codes are of the range {recorded}, not {code_range}")
    return fingerprint

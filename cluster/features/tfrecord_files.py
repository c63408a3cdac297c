"""The layouts of YouTube-8M's `.tfrecord` files: means of videos, features of frames, labels of segments.

- video level, `tf.train.Example`: id, labels, mean_rgb, mean_audio
- frame level, `tf.train.SequenceExample`: id and labels in the context; rgb and audio, a byte string of 8-bit codes for
  each second; or MediaPipe's layout, RGB/feature/floats and AUDIO/feature/floats, a list of floats for each second
- segments, in the context of frame-level records: segment_labels, segment_start_times, segment_end_times and
  segment_scores

A file's first record shows its layout. Records that we write may carry more about a video (`EXTRA`), in a field that
other readers ignore; the first record of a file then holds the fingerprint of the features.

`tfrecord_reader` and `tfrecord_writer` import tensorflow through this module.

Source: google/youtube-8m, `readers.py` (names and types); google-ai-edge/mediapipe, `docs/youtube_8m.md`
(its layout).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import cast

from schemas.errors import InputError
from schemas.fingerprint import parse_fingerprint

VIDEO, FRAME = "video", "frame"
MEANS = ("mean_rgb", "mean_audio")
CODES = ("rgb", "audio")
MEDIAPIPE_FLOATS = ("RGB/feature/floats", "AUDIO/feature/floats")
MEDIAPIPE_ID = "clip/data_id"
SEGMENTS = ("segment_labels", "segment_start_times", "segment_end_times", "segment_scores")
FINGERPRINT = "framemill/fingerprint"
EXTRA = "framemill/video"
# The fingerprint of features that came without one, so that they never mix with extracted ones.
YOUTUBE_8M = {"source": "youtube-8m"}
_LENGTH = struct.Struct("<Q")
_FRAMING_BYTES = 16  # length, its checksum, the data's checksum


class RecordError(InputError):
    """A damaged `.tfrecord` file, or one of an unknown layout; the message says which file and record."""


@dataclass(frozen=True)
class RecordFile:
    """The layout of a file. `floats`: frames are MediaPipe's floats, not codes."""

    level: str
    floats: bool
    rgb_dim: int
    audio_dim: int
    records: int
    fingerprint: Mapping[str, str]


def tensorflow() -> ModuleType:
    """TensorFlow, or an error that names the extra to install."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no notes about its own build
    try:
        import tensorflow as tf
    except ImportError as error:
        raise RecordError(".tfrecord files need another library: pip install 'framemill[tensorflow]'") from error
    return cast(ModuleType, tf)


def inspect_records(path: str, uri: str) -> RecordFile:
    """The layout of the file at `path` (`uri` in errors), from its first record and the lengths of all records.

    Raises:
        RecordError: for a first record of an unknown layout, or a file that does not end with a complete record.
    """
    count = _count_records(path, uri)
    if not count:
        return RecordFile(VIDEO, False, 0, 0, 0, dict(YOUTUBE_8M))
    tf = tensorflow()
    try:
        first = next(iter(tf.data.TFRecordDataset(path).take(1))).numpy()
    except tf.errors.DataLossError as error:
        raise damaged(uri, 0, error) from error
    # An Example's only field has the number of a SequenceExample's context, so both parse as a SequenceExample.
    try:
        sequence = tf.train.SequenceExample.FromString(first)
    except Exception as error:
        raise RecordError(f"{uri}, record 0 is neither a tf.train.Example nor a SequenceExample: {error}") from error
    context, lists = sequence.context.feature, sequence.feature_lists.feature_list
    fingerprint = dict(YOUTUBE_8M)
    if FINGERPRINT in context:
        try:
            fingerprint = parse_fingerprint(b"".join(context[FINGERPRINT].bytes_list.value))
        except ValueError as error:
            raise RecordError(f"{uri}, record 0: {FINGERPRINT} cannot be read: {error}") from error
    if all(name in context for name in MEANS):
        widths = [len(context[name].float_list.value) for name in MEANS]
        return RecordFile(VIDEO, False, widths[0], widths[1], count, fingerprint)
    for names, floats in ((CODES, False), (MEDIAPIPE_FLOATS, True)):
        if all(name in lists for name in names):
            frames = [lists[name].feature for name in names]
            if not all(frames):
                raise RecordError(f"{uri}, record 0 has no frame, so the width of the features is unknown")
            widths = [len(f[0].float_list.value) if floats else len(f[0].bytes_list.value[0]) for f in frames]
            return RecordFile(FRAME, floats, widths[0], widths[1], count, fingerprint)
    found = ", ".join(sorted([*context, *lists])) or "nothing"
    expected = " or ".join(" and ".join(names) for names in (MEANS, CODES, MEDIAPIPE_FLOATS))
    raise RecordError(f"{uri}, record 0 holds {found}; expected {expected}")


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


def damaged(uri: str, number: int, error: Exception) -> RecordError:
    """The error for record `number` of a file, which tensorflow could not read."""
    reason = str(getattr(error, "message", error)).splitlines()[0][:300]
    return RecordError(f"{uri}, record {number} is damaged or differs in layout from the first: {reason}")

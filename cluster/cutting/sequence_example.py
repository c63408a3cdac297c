"""A clip as a `tf.train.SequenceExample`: what TensorFlow's Model Garden reads to train video classifiers.

In: `ClipRecord`. Out: the bytes of a record; and back, from records of others as well.

    image/encoded           feature list, one JPEG a frame        Model Garden
    clip/label/index        context, int64: one class or several  Model Garden
    clip/label/string       context, the names of these           MediaPipe, as all that follow
    image/timestamp         feature list, int64, microseconds after the first frame of the clip
    clip/start/timestamp    context, int64, microseconds after the first frame of the video; clip/end/timestamp likewise
    clip/media_id, clip/data_path, example/id
                            context: the video, its URI, and the clip
    image/format, image/height, image/width, image/frame_rate
                            context

The messages are written and read without TensorFlow: protocol buffers of two levels, whose maps are sorted by key.

Source: tensorflow/core/example/{example,feature}.proto; official/vision/dataloaders/video_input.py of
tensorflow/models; mediapipe/util/sequence/media_sequence.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from extractors.weights.protobuf_wire import fields, floats, nested, read_varint, text

CONTEXT, FEATURE_LISTS = 1, 2  # of a SequenceExample
KEY, VALUE = 1, 2  # of an entry of a map
BYTES_LIST, FLOAT_LIST, INT64_LIST = 1, 2, 3  # of a Feature
LENGTH_DELIMITED = 2
MICROSECONDS = 1_000_000
MAX_FRAMES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ClipRecord:
    """A clip.

    timestamps                            of its frames, in microseconds after the first
    start_microseconds, end_microseconds  in the video, after its first frame
    frame_rate                            frames per second on average; 0 where unknown
    """

    id: str
    jpegs: Sequence[bytes]
    timestamps: Sequence[int]
    label_indices: tuple[int, ...]
    label_names: tuple[str, ...]
    media_id: str = ""
    data_path: str = ""
    start_microseconds: int = 0
    end_microseconds: int = 0
    height: int = 0
    width: int = 0
    frame_rate: float = 0.0


def encoded(record: ClipRecord) -> bytes:
    """The bytes of a record."""
    context = {
        "clip/data_path": _bytes([record.data_path.encode()]),
        "clip/end/timestamp": _integers([record.end_microseconds]),
        "clip/label/index": _integers(record.label_indices),
        "clip/label/string": _bytes([name.encode() for name in record.label_names]),
        "clip/media_id": _bytes([record.media_id.encode()]),
        "clip/start/timestamp": _integers([record.start_microseconds]),
        "example/id": _bytes([record.id.encode()]),
        "image/format": _bytes([b"JPEG"]),
        "image/frame_rate": _floats([record.frame_rate]),
        "image/height": _integers([record.height]),
        "image/width": _integers([record.width]),
    }
    lists = {
        "image/encoded": b"".join(_field(1, _bytes([jpeg])) for jpeg in record.jpegs),
        "image/timestamp": b"".join(_field(1, _integers([moment])) for moment in record.timestamps),
    }
    return _field(CONTEXT, _map(context)) + _field(FEATURE_LISTS, _map(lists))


def decoded(data: bytes) -> ClipRecord:
    """The clip of a record. Raises `ValueError` for one that is none, or has no frame."""
    context = _entries(nested(data, CONTEXT))
    lists = _entries(nested(data, FEATURE_LISTS))
    if "image/encoded" not in lists:
        found = ", ".join(sorted([*context, *lists])[:20]) or "nothing"
        raise ValueError(f"it has no frames in image/encoded; it holds {found}")
    jpegs = [frame for feature in nested(lists["image/encoded"], 1) for frame in _bytes_of(feature)]
    times = lists.get("image/timestamp", b"")
    timestamps = [moment for feature in nested(times, 1) for moment in _integers_of(feature)]
    if not jpegs or len(jpegs) > MAX_FRAMES:
        raise ValueError(f"it has {len(jpegs):,} frames, and 1 to {MAX_FRAMES:,} are read")

    def number(name: str) -> int:
        return next(iter(_integers_of(context.get(name, b""))), 0)

    def string(*names: str) -> str:
        found = (value.decode("utf-8", "replace") for name in names for value in _bytes_of(context.get(name, b"")))
        return next(filter(None, found), "")

    rates = [rate for part in nested(context.get("image/frame_rate", b""), FLOAT_LIST) for rate in floats(part, 1)]
    return ClipRecord(
        id=string("example/id", "clip/media_id", "clip/data_path"),
        jpegs=jpegs,
        timestamps=timestamps,
        label_indices=tuple(_integers_of(context.get("clip/label/index", b""))),
        label_names=tuple(
            value.decode("utf-8", "replace")
            for value in _bytes_of(context.get("clip/label/string", context.get("clip/label/text", b"")))
        ),
        media_id=string("clip/media_id"),
        data_path=string("clip/data_path"),
        start_microseconds=number("clip/start/timestamp"),
        end_microseconds=number("clip/end/timestamp"),
        height=number("image/height"),
        width=number("image/width"),
        frame_rate=float(rates[0]) if rates else 0.0,
    )


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers in two's complement
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _field(number: int, content: bytes) -> bytes:
    return b"".join([_varint(number << 3 | LENGTH_DELIMITED), _varint(len(content)), content])


def _map(entries: Mapping[str, bytes]) -> bytes:
    return b"".join(
        _field(1, _field(KEY, key.encode()) + _field(VALUE, value)) for key, value in sorted(entries.items())
    )


def _bytes(values: Iterable[bytes]) -> bytes:
    return _field(BYTES_LIST, b"".join(_field(1, value) for value in values))


def _integers(values: Iterable[int]) -> bytes:
    return _field(INT64_LIST, _field(1, b"".join(map(_varint, values))))


def _floats(values: Sequence[float]) -> bytes:
    return _field(FLOAT_LIST, _field(1, struct.pack(f"<{len(values)}f", *values)))


def _entries(maps: Iterable[memoryview]) -> dict[str, memoryview | bytes]:
    found: dict[str, memoryview | bytes] = {}
    for entries in maps:
        for entry in nested(entries, 1):
            found[text(entry, KEY)] = next(nested(entry, VALUE), memoryview(b""))
    return found


def _bytes_of(feature: memoryview | bytes) -> list[bytes]:
    return [bytes(value) for part in nested(feature, BYTES_LIST) for value in nested(part, 1)]


def _integers_of(feature: memoryview | bytes) -> list[int]:
    """The numbers of an int64 list, packed or not."""
    return [number for part in nested(feature, INT64_LIST) for number in _varints(part)]


def _varints(message: memoryview) -> Iterable[int]:
    for number, value in fields(message):
        if number != 1:
            continue
        if isinstance(value, int):
            yield _signed(value)
            continue
        position = 0
        while position < len(value):
            one, position = read_varint(value, position)
            yield _signed(one)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value

"""What is packed comes back to the bit, and nothing else comes back at all."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, fields, is_dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from cluster.engines.tasks import Done, Failed, Task
from cluster.engines.wire import LENGTH, pack, unpack
from cluster.scoring.clip_scorer import ClipScores
from cluster.scoring.label_writer import ScoredPortion, Unread
from extractors.features import SegmentFeatures
from extractors.segments import Segment
from extractors.video.thumbnail import Thumbnail
from schemas.codes import Codes
from schemas.failures import FailureRow
from schemas.outcomes import FailureCode, Stage
from schemas.videos import Video

OUTCOME = Done[SegmentFeatures] | Failed
VIDEO = Video("ä/\udcff", "gs://bucket/a.mp4", (3, "cat"), start_seconds=Fraction(1, 3), end_seconds=7)
NUMBERS = np.random.default_rng(0)
HALVES = np.full((1, 2, 3), 0.5, np.float32)


def features(**given: Any) -> SegmentFeatures:
    """Those of a segment with everything that there can be."""
    known = {
        "segment": Segment(1, 3, 10, 20),
        "num_frames": 10,
        "duration_seconds": 10 / 3,
        "rgb_sum": NUMBERS.normal(size=1024),
        "audio_sum": NUMBERS.normal(size=128),
        "rgb": Codes.of(NUMBERS.integers(0, 256, (10, 1024), np.uint8)),
        "audio": Codes.of(NUMBERS.integers(0, 256, (10, 128), np.uint8), NUMBERS.integers(1, 9, 10)),
        "has_audio": True,
        "seconds_by_stage": {"decode": 0.1, "embed": 1e-300},
        "size_bytes": 1 << 40,
        "thumbnail": Thumbnail(1.5, b"\xff\xd8\x00"),
        "gaps": ((0.1, 0.2), (3.0, 4)),
        "video_seconds": None,
    }
    return SegmentFeatures(**{**known, **given})


def bits(value: Any) -> Any:
    """The value in a form that is equal only where types, shapes and bits are."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, tuple):
        return tuple(map(bits, value))
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    if is_dataclass(value):
        return type(value), tuple(bits(getattr(value, field.name)) for field in fields(value))
    return type(value), value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (OUTCOME, Done(Task(VIDEO, attempt=2), features(), (Segment(1, 2, 5), Segment(2, 2, 10, 11)))),
        (OUTCOME, Done(Task(VIDEO, Segment()), features(rgb=None, audio=None, thumbnail=None, video_seconds=0.1))),
        (
            OUTCOME,
            Done(Task(VIDEO), features(), (Segment(1, 2, 5, None, {"0.frames": np.ones(1, np.int64), "0.a": HALVES}),)),
        ),
        (OUTCOME, Failed(Task(VIDEO, kills=1), FailureCode.WORKER_DIED, "why\n", Stage.DECODE.value)),
        (
            Done[ClipScores] | Failed,
            Done(
                Task(VIDEO),
                ClipScores(np.arange(5), NUMBERS.random(5, np.float32), NUMBERS.random(512, np.float32), 64, 2.5, {}),
            ),
        ),
        (
            ScoredPortion,
            ScoredPortion(
                *(7, b"PAR1", None, 3, (Unread("uri", 2, "why"),), np.zeros(0, np.int64), np.arange(20), 1),
                failures=(FailureRow("id", "uri", "read", "missing", "why", 1, "run", ""),),
            ),
        ),
    ],
    ids=["features", "means only", "state", "failure", "clip scores", "portion"],
)
def test_outcomes_come_back_to_the_bit(kind: Any, value: Any) -> None:
    assert bits(unpack(kind, pack(value))) == bits(value)


@dataclass(frozen=True)
class Numbers:
    real: float = 0.0
    whole: int = 0
    arrays: tuple[np.ndarray[Any, Any], ...] = ()


@pytest.mark.parametrize("real", [math.pi, -0.0, 5e-324, math.inf, -math.inf, math.nan, np.float32(0.1), 3])
def test_numbers_come_back_to_the_bit(real: float) -> None:
    found = unpack(Numbers, pack(Numbers(real=real))).real
    assert np.float64(found).tobytes() == np.float64(real).tobytes()


def test_arrays_of_any_layout_come_back() -> None:
    square = NUMBERS.random((4, 6))
    arrays = (square.T, square[::2], square.astype(">f4"), square > 0.5, np.zeros((0, 3), np.int64), np.array(5))
    for found, expected in zip(unpack(Numbers, pack(Numbers(arrays=arrays))).arrays, arrays, strict=True):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert (found == expected).all()


@pytest.mark.parametrize("value", [object(), np.array([object()]), np.array(["text"]), {1, 2}, Numbers])
def test_what_cannot_come_back_is_not_packed(value: object) -> None:
    with pytest.raises(TypeError, match="cannot be packed"):
        pack((value,))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Numbers, Thumbnail(1.0, b"")),
        (Numbers, Numbers(real="1")),  # type: ignore[arg-type]
        (Numbers, Numbers(whole=1.0)),  # type: ignore[arg-type]
        (Numbers, Numbers(whole=True)),
        (Numbers, None),
        (OUTCOME, Segment()),
        (FailureCode, "no_such_code"),
        (tuple[float, float], (1.0, 2.0, 3.0)),
    ],
)
def test_another_type_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpack(kind, pack(value))


def test_an_unknown_field_is_refused() -> None:
    text = b'{"Numbers": {"real": 1.0, "__class__": "os.system"}}'
    with pytest.raises(ValueError, match="not a packed"):
        unpack(Numbers, LENGTH.pack(len(text)) + text)


@pytest.mark.parametrize("fields", ["5", "[]", '"x"', "null"])
def test_what_is_no_fields_is_refused(fields: str) -> None:
    text = f'{{"Done": {fields}}}'.encode()
    with pytest.raises(ValueError, match="is not of type"):
        unpack(OUTCOME, LENGTH.pack(len(text)) + text)


def test_damaged_bytes_are_refused_or_harmless() -> None:
    whole = pack(Done(Task(VIDEO), features(rgb=None, audio=None), (Segment(),)))
    chance = random.Random(0)
    refused = 0
    for _ in range(3000):
        damaged = bytearray(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
        for _ in range(chance.randrange(4)):
            damaged[chance.randrange(min(len(damaged) or 1, 1200))] = chance.randrange(256) if damaged else 0
        try:
            assert isinstance(unpack(OUTCOME, damaged), Done)
        except ValueError:
            refused += 1
    assert refused > 1500


def test_objects_are_not_executed() -> None:
    text = b'{"Numbers": {"real": 0.0, "whole": 0, "arrays": [["|O", [1], 0, 8]]}}'
    with pytest.raises(ValueError, match="not of type"):
        unpack(Numbers, LENGTH.pack(len(text)) + text + bytes(8))

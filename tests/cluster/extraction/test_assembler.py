import itertools
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cluster.engines.tasks import Done, Failed, Task
from cluster.engines.watchdog import Memory
from cluster.extraction.assembler import Assembler
from cluster.storage.redaction import redacted
from extractors.features import SegmentFeatures
from extractors.sampling import SamplingConfig
from extractors.segments import Segment
from schemas.codes import Codes
from schemas.failures import FailureRow
from schemas.outcomes import FailureCode, Stage
from schemas.videos import Video

VIDEO = Video("a", "https://host/a.mp4?signature=1", ("cat",))


def part(index: int, count: int) -> Done:
    segment = Segment(index, count, index * 2, None if index == count - 1 else index * 2 + 2)
    rgb, audio = np.full((2, 4), index, np.uint8), np.full((2, 3), index, np.uint8)
    sums = rgb.sum(0, dtype=np.float64) / 3, audio.sum(0, dtype=np.float64)
    codes = Codes.of(rgb), Codes.of(audio)
    return Done(Task(VIDEO, segment), SegmentFeatures(segment, 2, 2.0, *sums, *codes, True, {}, 10))


def assembler(sampling: SamplingConfig | None = None) -> Assembler:
    return Assembler(lambda video: (7,) * len(video.labels), "r1", sampling)


def test_a_video_of_one_segment_is_settled_at_once():
    row = assembler().add(part(0, 1))
    assert (row.id, row.uri, row.labels, row.num_frames) == ("a", redacted(VIDEO.uri), (7,), 2)


def test_segments_in_any_order_make_the_same_row():
    rows = []
    for order in itertools.permutations(range(3)):
        joining = assembler()
        *before, row = [joining.add(part(index, 3)) for index in order]
        assert before == [None, None]
        rows.append(row)
    for row in rows:
        assert (row.num_frames, row.duration_seconds) == (6, 6.0)
        np.testing.assert_array_equal(np.asarray(row.rgb)[:, 0], [0, 0, 1, 1, 2, 2])
        np.testing.assert_array_equal(row.mean_rgb, rows[0].mean_rgb)


def test_a_failure_settles_the_video_and_lets_its_segments_go():
    joining = assembler()
    assert joining.add(part(0, 3)) is None
    failure = Failed(Task(VIDEO, attempt=2), FailureCode.TRUNCATED, "cut short", Stage.DECODE)
    expected = FailureRow("a", "https://host/a.mp4?***", "decode", "truncated", "cut short", 2, "r1", VIDEO.version)
    assert joining.add(failure) == expected
    assert joining.add(part(0, 1)).num_frames == 2


def test_a_message_keeps_no_secret():
    message = "403, url='https://host/a.mp4?signature=SECRET' of https://user:SECRET@host/"
    row = assembler().add(Failed(Task(VIDEO), FailureCode.STORAGE, message, Stage.READ))
    assert row.message == "403, url='https://host/a.mp4?***' of https://***@host/"


def lost(index: int, count: int, code: FailureCode = FailureCode.TIME_LIMIT) -> Failed:
    segment = Segment(index, count, index * 2, None if index == count - 1 else index * 2 + 2)
    return Failed(Task(VIDEO, segment, attempt=2), code, "took too long", Stage.DECODE)


def test_segments_that_cannot_be_decoded_are_gaps():
    joining = assembler()
    first = part(0, 4)
    first = replace(first, features=replace(first.features, video_seconds=7.5))
    assert [joining.add(outcome) for outcome in (first, lost(3, 4), part(2, 4))] == [None] * 3
    row = joining.add(lost(1, 4))
    assert (row.num_frames, row.coverage) == (4, 0.5)
    assert row.gaps == ((2.0, 4.0), (6.0, 7.5))
    assert row.duration_seconds == 7.5
    np.testing.assert_array_equal(np.asarray(row.rgb)[:, 0], [0, 0, 2, 2])


def test_when_most_segments_are_lost_so_is_the_video():
    joining = assembler()
    assert [joining.add(outcome) for outcome in (part(0, 3), lost(1, 3))] == [None] * 2
    row = joining.add(lost(2, 3))
    assert isinstance(row, FailureRow)
    assert (row.code, row.attempts) == ("time_limit", 2)


def test_trouble_with_storage_is_no_gap():
    joining = assembler()
    assert joining.add(part(0, 9)) is None
    assert joining.add(lost(1, 9, FailureCode.STORAGE)).code == "storage"


def test_less_than_half_is_a_failure_that_says_how_much_there_is():
    damaged = part(0, 1)
    damaged = replace(damaged, features=replace(damaged.features, missing_frames=3, gaps=((0.0, 1.0), (3.0, 5.0))))
    row = assembler().add(damaged)
    assert (row.code, row.stage) == ("damaged", "decode")
    assert row.message.startswith("only 40% of its frames can be decoded, less than half; missing: 0 to 1 s, 3 to 5 s")
    row = assembler().add(replace(damaged, features=replace(damaged.features, ends_early=True)))
    assert row.code == "truncated"
    assert "cut short" in row.message


@pytest.mark.parametrize("change", [{"rgb_sum": np.zeros((7, 2))}, {"gaps": ((0.0, "x"),)}, {"audio": None, "rgb": 3}])
def test_features_that_cannot_be_joined_cost_their_video(change: dict[str, Any]) -> None:
    """As from a process that a hostile file has taken over."""
    joining, outcome = assembler(), part(1, 2)
    assert joining.add(part(0, 2)) is None
    row = joining.add(replace(outcome, features=replace(outcome.features, **change)))
    assert isinstance(row, FailureRow)
    assert (row.code, row.message[:25]) == ("internal", "an error in this program:")
    assert joining.add(part(0, 1)).num_frames == 2


def test_more_grid_points_than_the_limit_are_refused_whatever_the_worker_says() -> None:
    sampling = SamplingConfig(max_grid_points=5)
    assert assembler(sampling).add(part(0, 1)).num_frames == 2
    joining = assembler(sampling)
    *before, row = [joining.add(part(index, 3)) for index in range(3)]
    assert before == [None, None]
    assert (row.code, row.stage) == ("too_long", "decode")


def test_a_limit_that_the_last_segment_meets_is_no_gap() -> None:
    joining = assembler()
    assert [joining.add(part(index, 4)) for index in range(3)] == [None] * 3
    assert joining.add(lost(3, 4, FailureCode.TOO_LONG)).code == "too_long"


def test_a_long_video_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty hours of different pictures, 80 MB of codes, in a tenth of that."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    joining, rng, segments = assembler(), np.random.default_rng(0), 240
    memory = Memory(os.getpid())
    peak, before = 0, memory.private_bytes()
    for index in range(segments):
        codes = Codes.of(rng.integers(0, 256, (300, 1024), np.uint8)), Codes.of(np.zeros((300, 128), np.uint8))
        segment = Segment(index, segments, 300 * index, 300 * index + 300)
        features = SegmentFeatures(segment, 300, 300.0, np.zeros(1024), np.zeros(128), *codes, True, {}, 10)
        row = joining.add(Done(Task(VIDEO, segment), features))
        peak = max(peak, memory.private_bytes() - before)
    assert row.rgb.vectors.nbytes == segments * 300 * 1024
    np.testing.assert_array_equal(row.rgb.vectors[-300:], codes[0].vectors)
    assert peak < 8 << 20
    joining.close()
    assert list(tmp_path.iterdir()) == []

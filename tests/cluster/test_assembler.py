import itertools

import numpy as np

from cluster.assembler import Assembler
from cluster.tasks import Done, Failed, Task
from extractors.features import SegmentFeatures
from extractors.segments import Segment
from schemas.failures import FailureRow
from schemas.outcomes import FailureCode, Stage
from schemas.videos import Video

VIDEO = Video("a", "https://host/a.mp4?signature=1", ("cat",))


def part(index: int, count: int) -> Done:
    segment = Segment(index, count, index * 2, None if index == count - 1 else index * 2 + 2)
    rgb, audio = np.full((2, 4), index, np.uint8), np.full((2, 3), index, np.uint8)
    sums = rgb.sum(0, dtype=np.float64) / 3, audio.sum(0, dtype=np.float64)
    return Done(Task(VIDEO, segment), SegmentFeatures(segment, 2, 2.0, *sums, rgb, audio, True, {}, 10))


def assembler() -> Assembler:
    return Assembler(lambda video: (7,) * len(video.labels), "r1")


def test_a_video_of_one_segment_is_settled_at_once():
    row = assembler().add(part(0, 1))
    assert (row.id, row.uri, row.labels, row.num_frames) == ("a", VIDEO.uri, (7,), 2)


def test_segments_in_any_order_make_the_same_row():
    rows = []
    for order in itertools.permutations(range(3)):
        joining = assembler()
        *before, row = [joining.add(part(index, 3)) for index in order]
        assert before == [None, None]
        rows.append(row)
    for row in rows:
        assert (row.num_frames, row.duration_seconds) == (6, 6.0)
        np.testing.assert_array_equal(row.rgb[:, 0], [0, 0, 1, 1, 2, 2])
        np.testing.assert_array_equal(row.mean_rgb, rows[0].mean_rgb)


def test_a_failure_settles_the_video_and_lets_its_segments_go():
    joining = assembler()
    assert joining.add(part(0, 3)) is None
    failure = Failed(Task(VIDEO, attempt=2), FailureCode.TRUNCATED, "cut short", Stage.DECODE)
    expected = FailureRow("a", VIDEO.uri, "decode", "truncated", "cut short", 2, "r1", VIDEO.version)
    assert joining.add(failure) == expected
    assert joining.add(part(0, 1)).num_frames == 2


def test_a_message_keeps_no_secret():
    message = "403, url='https://host/a.mp4?signature=SECRET' of https://user:SECRET@host/"
    row = assembler().add(Failed(Task(VIDEO), FailureCode.STORAGE, message, Stage.READ))
    assert row.message == "403, url='https://host/a.mp4?***' of https://***@host/"

import pytest

from cluster.features.tfrecord_files import CODES, MEANS, MEDIAPIPE_FLOATS, RecordFile
from cluster.features.tfrecord_problems import problem_of
from tests.support.tfrecords import frames_record, means_record, record

FLOATS = {"RGB/feature/floats": [[0.5] * 4], "AUDIO/feature/floats": [[0.25] * 2]}


def layout(features):
    return RecordFile(features, "id", 4, 2, 9, {})


@pytest.mark.parametrize(
    ("features", "data"),
    [
        (MEANS, means_record()),
        (MEANS, means_record(labels=None)),
        (CODES, frames_record(0)),
        (CODES, frames_record(labels=[])),
        (MEDIAPIPE_FLOATS, frames_record(lists=FLOATS)),
    ],
    ids=["means", "means without labels", "no frames", "frames without labels", "floats"],
)
def test_a_record_of_the_layout_has_no_problem(features, data):
    assert problem_of(data, layout(features)) == ""


@pytest.mark.parametrize(
    ("features", "data", "problem"),
    [
        (MEANS, b"\xff\xff", "is neither a tf.train.Example nor a SequenceExample"),
        (MEANS, frames_record(), "holds rgb and audio, record 0 holds mean_rgb and mean_audio: keep records"),
        (CODES, means_record(), "holds mean_rgb and mean_audio, record 0 holds rgb and audio"),
        (CODES, frames_record(lists=FLOATS), "holds RGB/feature/floats and AUDIO/feature/floats, record 0"),
        (CODES, record({"id": [b"a"]}, {}), "holds id, record 0 holds rgb and audio"),
        (MEANS, means_record(id=None), "has no field id, which holds the id in record 0"),
        (MEANS, means_record(id=[b"a", b"b"]), "has 2 ids in id; expected one"),
        (MEANS, means_record(id=[b""]), "has an empty id in id"),
        (MEANS, means_record(id=[7]), "has 0 ids in id; expected one"),
        (MEANS, means_record(labels=[b"cat"]), "has bytes in labels; expected integers"),
        (CODES, frames_record(segment_scores=[1]), "has integers in segment_scores; expected floats"),
        (MEANS, means_record(mean_rgb=[1, 2, 3, 4]), "has integers in mean_rgb; expected floats"),
        (MEANS, means_record(mean_audio=[0.5] * 3), "has 3 values in mean_audio, record 0 has 2"),
        (CODES, frames_record(lists={"rgb": [[bytes(4)], [bytes(5)]], "audio": []}), "has 5 bytes in frame 1 of rgb"),
        (CODES, frames_record(lists={"rgb": [[bytes(4)]] * 2, "audio": []}), "has 2 frames in rgb but 0 in audio"),
        (
            MEDIAPIPE_FLOATS,
            frames_record(lists={**FLOATS, "RGB/feature/floats": [[0.5] * 3]}),
            "has 3 values in frame 0 of RGB/feature/floats, record 0 has 4",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_with_a_record(features, data, problem):
    assert problem_of(data, layout(features)).startswith(problem)

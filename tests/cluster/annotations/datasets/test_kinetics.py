from __future__ import annotations

from pathlib import Path

from tests.support.annotations import problems_of, read, spans

HEADER = "label,youtube_id,time_start,time_end,split,is_cc\n"


def test_rows_are_files_that_are_cut_already(tmp_path: Path) -> None:
    found = read(
        tmp_path, {"k.csv": f"{HEADER}testifying,---QUuC4vJs,84,94,validate,0\nclapping,---QUuC4vJs,417,427,train,1\n"}
    )
    assert spans(found) == {
        "---QUuC4vJs_000084_000094": [("testifying",)],
        "---QUuC4vJs_000417_000427": [("clapping",)],
    }
    assert [(video.split, video.group) for video in found.videos] == [
        ("validate", "---QUuC4vJs"),
        ("train", "---QUuC4vJs"),
    ]
    assert dict(found.videos[0].annotations[0].attributes)["time_start"] == "84"


def test_lists_of_test_videos_have_no_labels(tmp_path: Path) -> None:
    found = read(tmp_path, {"test.csv": "youtube_id,time_start,time_end,split\nabc,0,10,test\n"})
    assert spans(found) == {"abc_000000_000010": []}


def test_json_has_one_object_for_each_video(tmp_path: Path) -> None:
    video = {
        "annotations": {"label": "riding a bike", "segment": [15.0, 25.0]},
        "duration": 10.0,
        "subset": "train",
        "url": "x",
    }
    assert spans(read(tmp_path, {"train.json": {"abc": video}})) == {"abc_000015_000025": [("riding a bike",)]}


def test_problems_have_their_lines(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"k.csv": f"{HEADER}a,b,x,94,train,0\na,b,-3,94,train,0\n,,1,2,train,0\n"})
    assert "line 2: 'x' is not a number" in text
    assert "line 3: -3 s is before the start" in text
    assert "line 4: no youtube_id" in text

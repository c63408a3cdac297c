from __future__ import annotations

import gzip
from fractions import Fraction
from pathlib import Path

import pytest

from tests.support.annotations import problems_of, read, spans

SECONDS = """id,start_seconds,end_seconds,label,split,group,camera
a.mp4,1.5,2,jump,train,p1,left
a.mp4,,,sit,train,,
b,,,,,,
"""


@pytest.mark.parametrize(("name", "text"), [("t.csv", SECONDS), ("t.tsv", SECONDS.replace(",", "\t"))])
def test_seconds(tmp_path: Path, name: str, text: str) -> None:
    found = read(tmp_path, {name: text})
    assert spans(found) == {"a.mp4": [("jump", 1.5, 2), ("sit",)], "b": []}
    assert found.videos[0].split == "train"
    assert found.videos[0].annotations[0].group == "p1"
    assert found.videos[0].annotations[0].attributes == (("camera", "left"),)
    assert found.videos[0].annotations[0].source == "line 2"


def test_frames_count_from_0_both_included_and_may_count_a_rate(tmp_path: Path) -> None:
    text = "video,start_frame,end_frame,label\na,0,24,7\n"
    assert spans(read(tmp_path, {"t.csv": text})) == {"a": [("7", 0, 24)]}
    assert spans(read(tmp_path, {"t.csv": text}, frame_rate="30000/1001")) == {
        "a": [("7", 0, 24, Fraction(30000, 1001))]
    }


def test_several_labels_and_what_a_spreadsheet_would_compute(tmp_path: Path) -> None:
    text = "video,start_seconds,end_seconds,labels\n'=a,0,1,x;'-y\n"
    assert spans(read(tmp_path, {"t.csv": text})) == {"=a": [("x", 0, 1), ("-y", 0, 1)]}


@pytest.mark.parametrize("column", ["label", "labels"])
def test_a_row_without_a_label_is_an_annotation_without_one(tmp_path: Path, column: str) -> None:
    found = read(tmp_path, {"t.csv": f"video,start_seconds,end_seconds,{column}\na,0,1,\na,1,2,run\n"})
    assert spans(found) == {"a": [("", 0, 1), ("run", 1, 2)]}
    assert found.videos[0].annotations[0].source == "line 2"


def test_rows_of_a_video_may_be_in_several_splits(tmp_path: Path) -> None:
    rows = ["a,0,1,run,train,9", "a,1,2,run,test,9", "b,0,1,run,,9", "b,1,2,sit,test,9", "c,0,1,run,,9"]
    found = read(tmp_path, {"t.csv": "\n".join(["id,start_seconds,end_seconds,label,split,duration_seconds", *rows])})
    assert [(video.name, video.split, len(video.annotations)) for video in found.videos] == [
        ("a", "train", 1),
        ("a", "test", 1),
        ("b", "test", 2),
        ("c", "", 1),
    ]
    assert [video.duration_seconds for video in found.videos] == [9, None, 9, 9]


def test_json_lines_and_gzip(tmp_path: Path) -> None:
    line = '{"video": "a", "start_frame": 1, "end_frame": 2, "label": 3, "duration_seconds": 4.5, "frame_count": 108}\n'
    found = read(tmp_path, {"t.jsonl": line}, format_name="table")
    assert spans(found) == {"a": [("3", 1, 2)]}
    assert (found.videos[0].duration_seconds, found.videos[0].frame_count) == (Fraction("4.5"), 108)
    assert len(spans(read(tmp_path, {"z.csv.gz": gzip.compress(SECONDS.encode())}, format_name="table"))) == 2


def test_any_column_can_group(tmp_path: Path) -> None:
    found = read(tmp_path, {"t.csv": SECONDS}, group_from="camera")
    assert [one.group for one in found.videos[0].annotations] == ["left", ""]
    assert "did you mean 'camera'?" in problems_of(tmp_path, {"t.csv": SECONDS}, group_from="camra")


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("id,start_seconds,label", "no column 'end_seconds'"),
        ("id,video,start_seconds,end_seconds,label", "both columns 'id' and 'video'"),
        ("vidoe,start_seconds,end_seconds,label", "no column 'id' or 'video'"),
        ("id,start_seconds,end_seconds,start_frame,end_frame,label", "seconds and frames"),
    ],
)
def test_columns_must_be_clear(tmp_path: Path, header: str, problem: str) -> None:
    assert problem in problems_of(tmp_path, {"t.csv": f"{header}\n{header}\n{header}\n"}, format_name="table")


def test_all_rows_are_checked(tmp_path: Path) -> None:
    rows = ["a,1,,x,,,", "a,b,2,x,,,", ",1,2,x,,,", "a,,,,,g,", "a,,,,,h,", "a,1,2,x,,,,,"]
    text = problems_of(tmp_path, {"t.csv": "\n".join([SECONDS.splitlines()[0], *rows])})
    for number, problem in enumerate(["alone", "'b' is not", "no id"], 2):
        assert f"line {number}: " in text
        assert problem in text
    assert "line 6: 'a' is in group 'h' here, and in 'g' before" in text

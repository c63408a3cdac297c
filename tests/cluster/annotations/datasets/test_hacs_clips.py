from __future__ import annotations

from pathlib import Path

from tests.support.annotations import problems_of, read, spans

HEADER = "classname,youtube_id,subset,start,end,label\n"
ROWS = """Archery,a,training,14.2,16.2,1
Archery,a,training,20.0,22.0,-1
Archery,b,validation,1,3,1.0
Archery,-c,testing,,,
"""


def test_negative_samples_are_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, {"clips.csv": HEADER + ROWS})
    assert spans(found) == {"a": [("Archery", 14.2, 16.2)], "b": [("Archery", 1, 3)], "-c": []}
    assert [video.split for video in found.videos] == ["training", "validation", "testing"]
    assert "negative samples are left out" in found.notes[0]


def test_other_labels_are_problems(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"clips.csv": f"{HEADER}A,a,training,1,2,0\nA,a,training,x,2,1\n"})
    assert "line 2: label '0' is neither 1 nor -1" in text
    assert "line 3: 'x' is not a number" in text


def test_a_table_without_ends_is_a_problem(tmp_path: Path) -> None:
    content = HEADER.replace(",end,", ",") + "A,a,training,1,1\n"
    assert "line 2: '' is not a number" in problems_of(tmp_path, {"clips.csv": content}, format_name="hacs-clips")

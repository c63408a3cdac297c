from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.storage import files
from cluster.timelines.annotations import Annotation, AnnotationError, Truth, oddities, read_truth
from cluster.timelines.event_csv import write_events_csv
from tests.support.events import events_table
from tests.support.servers import gs_bucket

DATABASE = {
    "v1": {
        "subset": "validation",
        "duration": 30.0,
        "url": "https://example.com/v1",
        "annotations": [{"segment": [0, 10.5], "label": "Long jump"}, {"segment": [20.25, 30], "label": "Diving"}],
    },
    "v2": {"subset": "testing", "annotations": []},
}
TRUTH = Truth(
    {"v1": [Annotation("Long jump", 0.0, 10.5), Annotation("Diving", 20.25, 30.0)], "v2": []},
    {"v1": "validation", "v2": "testing"},
)


def written(path: Path, content: object) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def problems(uri: str) -> list[str]:
    with pytest.raises(AnnotationError) as found:
        read_truth(uri)
    assert str(found.value).startswith(f"{uri}:\n  - ")
    return list(found.value.lines)


def test_activitynet(tmp_path: Path) -> None:
    whole = {"version": "VERSION 1.3", "taxonomy": [], "database": DATABASE}
    assert read_truth(written(tmp_path / "whole.json", whole)) == TRUTH
    assert read_truth(written(tmp_path / "derived.JSON", DATABASE)) == TRUTH


def test_numbers_may_be_text(tmp_path: Path) -> None:
    derived = {"v": {"annotations": [{"segment": ["1.5", "2e0"], "label": " x "}]}}
    assert read_truth(written(tmp_path / "t.json", derived)).videos == {"v": [Annotation("x", 1.5, 2.0)]}


def test_csv_with_seconds(tmp_path: Path) -> None:
    lines = (
        "video;start_seconds;end_seconds;label;subset;score\n"
        "v1;0;10.5;Long jump;validation;x\nv1;20.25;30;Diving;validation;\nv2;;;;testing;\n"
    )
    assert read_truth(written(tmp_path / "t.csv", lines)) == TRUTH


def test_what_is_written_as_events_can_be_read_as_truth(tmp_path: Path) -> None:
    events = {"=v1": [(0.0, 1.5, "-a", 0.5), (1.0, 2.0, "b, c", 0.75)]}
    write_events_csv(str(tmp_path / "events.csv"), [events_table(events)])
    assert read_truth(str(tmp_path / "events.csv")).videos == {
        "=v1": [Annotation("-a", 0.0, 1.5), Annotation("b, c", 1.0, 2.0)]
    }


def test_odd_intervals_are_taken_and_told(tmp_path: Path) -> None:
    rows = "id,start_seconds,end_seconds,label\na,5,5,x\na,7,7,x\nb,8,2,x\nb,1,2,x\n"
    truth = read_truth(written(tmp_path / "t.csv", rows))
    assert sum(map(len, truth.videos.values())) == 4
    assert oddities(truth.videos) == [
        "intervals without length (2), which count as missed; in: 'a'",
        "intervals that end before they start (1), which count as missed; in: 'b'",
    ]
    assert oddities(TRUTH.videos) == []


def test_any_format_with_seconds_is_truth(tmp_path: Path) -> None:
    (tmp_path / "Diving_val.txt").write_text("video_validation_0000051 1.0 2.5\n")
    truth = read_truth(str(tmp_path))
    assert truth.videos == {"video_validation_0000051": [Annotation("Diving", 1.0, 2.5)]}
    assert truth.subsets == {"video_validation_0000051": "validation"}


def test_all_mistakes_are_told(tmp_path: Path) -> None:
    video = {"annotations": [{"segment": [0, 1]}, {"segment": [0, float("nan")], "label": "x"}]}
    found = problems(written(tmp_path / "t.json", {"database": {"v": video, "w": {"annotations": {}}, "u": 5}}))
    assert len(found) == 4
    header = "id,start_seconds,end_seconds,labels,split"
    rows = f"{header}\n,1,2,x,a\nb,1,,x,a\nc,1s,2,x,a\nd,1,2,x,a,e\n"
    found = problems(written(tmp_path / "t.csv", rows))
    assert [line.partition(":")[0] for line in found] == [f"line {number}" for number in range(2, 6)]
    unlabelled = f"{header}\nb,1,2,,a\nb,1,2,x,a\nc,1,2,,a\n"
    assert problems(written(tmp_path / "t.csv", unlabelled)) == ["line 2: no label", "line 4: no label"]


def test_times_must_be_seconds_and_subsets_one(tmp_path: Path) -> None:
    rows = "id,start_frame,end_frame,label\na,1,2,x\nb,,,y\n"
    assert problems(written(tmp_path / "t.csv", rows)) == [
        "line 2: 'x' has frames, and events are measured in seconds",
        "line 3: 'y' has no times, and events are measured in seconds",
    ]
    twice = "classname,youtube_id,subset,start,end,label\nA,v,training,1,2,1\nA,v,validation,1,2,1\n"
    assert problems(written(tmp_path / "t.csv", twice)) == ["'v' is in 'validation', and in 'training' before"]


def test_what_is_no_truth(tmp_path: Path) -> None:
    for name, content, told in (
        ("t.json", "[", "it is no JSON"),
        ("t.json", "[" * 100_000, "nested too deeply"),
        ("t.json", {"database": []}, "it has no format that is recognised"),
        ("t.json", {"database": {"v": {"annotations": []}}}, "it annotates nothing"),
        ("t.xml", "<a/>", "it has no format that is recognised"),
    ):
        assert any(told in line for line in problems(written(tmp_path / name, content)))
    assert "it cannot be read" in problems(str(tmp_path / "none.csv"))[0]


def test_from_a_bucket() -> None:
    with gs_bucket() as bucket:
        files.write_bytes(f"{bucket}/truth.json", json.dumps(DATABASE).encode())
        assert read_truth(f"{bucket}/truth.json") == TRUTH

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.storage import files
from cluster.timelines import annotations
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


def test_all_mistakes_of_a_json_file_are_told(tmp_path: Path) -> None:
    video = {
        "annotations": [
            {"segment": [0, 1]},
            {"segment": [0, 1, 2], "label": "x"},
            {"segment": [0, "one"], "label": "x"},
            {"segment": [0, float("nan")], "label": "x"},
            {"segment": [0, True], "label": " "},
            {"segment": 5, "label": "x"},
            [],
        ]
    }
    found = problems(written(tmp_path / "t.json", {"database": {"v": video, "w": {"annotations": {}}, "u": 5}}))
    assert len(found) == 9
    for text, line in zip(
        [
            *[
                "annotation 1: expected an object with 'label', text",
                "2: its segment [0, 1, 2] is not a start and an end",
            ],
            *[
                "3: 'one' is not a number",
                "4: 'nan' is not a number",
                "5: no label",
                "6: expected an object with 'segm",
            ],
            *["7: expected an object", "'w': expected an object with 'annotations', a list", "'u': expected an object"],
        ],
        found,
        strict=True,
    ):
        assert text in line


def test_all_mistakes_of_a_csv_are_told(tmp_path: Path) -> None:
    rows = (
        "id,start_seconds,end_seconds,labels,split\n"
        ",1,2,x,a\nb,1,,x,a\nb,1,2,,a\nc,1s,2,x,a\ne,1,2,x,a\ne,1,2,x,b\nd,1,2,x,a,e\n"
    )
    found = problems(written(tmp_path / "t.csv", rows))
    assert [line.partition(":")[0] for line in found] == [f"line {number}" for number in (2, 3, 4, 5, 7, 8)]
    for text, line in zip(
        [
            "no id",
            "'' is not a number",
            "no label",
            "'1s' is not a number",
            "'e' is in 'b' here, and in 'a' before",
            "6 cells",
        ],
        found,
        strict=True,
    ):
        assert text in line
    assert problems(written(tmp_path / "t.csv", "name,start,end_seconds,label,labels\nx,1,2,y,y\n")) == [
        "it has no column 'id' or 'video'",
        "it has no column 'start_seconds'; is it 'start'? Rename it",
        "it has both columns 'label' and 'labels': leave one",
    ]


def test_what_is_no_truth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content, told in (
        ("t.json", "[", "it cannot be parsed"),
        ("t.json", "[" * 100_000, "nested too deeply"),
        ("t.json", "[1]", "it holds [1], not an object"),
        ("t.json", '{"database": []}', "not an object"),
        ("t.json", {"v": {"annotations": []}}, "it annotates nothing"),
        ("t.csv", "", "it annotates nothing"),
        ("t.xml", "<a/>", "it is neither .json, as ActivityNet has it, nor .csv"),
    ):
        (line,) = problems(written(tmp_path / name, content))
        assert told in line
    assert "it cannot be read" in problems(str(tmp_path / "none.csv"))[0]
    monkeypatch.setattr(annotations, "MAX_BYTES", 10)
    assert problems(written(tmp_path / "t.json", DATABASE)) == ["it has 239 bytes, at most 10 are read"]


def test_from_a_bucket() -> None:
    with gs_bucket() as bucket:
        files.write_bytes(f"{bucket}/truth.json", json.dumps(DATABASE).encode())
        assert read_truth(f"{bucket}/truth.json") == TRUTH

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.annotations import problems_of, read, spans

VIDEO = {
    "duration": 82.73,
    "subset": "training",
    "resolution": "320x240",
    "url": "https://www.youtube.com/watch?v=x",
    "annotations": [{"segment": [0.01, 41.4], "label": "Long jump"}, {"segment": [3, 3], "label": "Diving"}],
}
HACS = {**VIDEO, "duration": "119.234"}
TESTING: dict[str, Any] = {"duration": 5.5, "subset": "testing", "annotations": []}
STRINGS = {
    "annotations": [{"segment": ["0.010", "41.40"], "label": "Long jump"}, {"segment": ["3", "3"], "label": "Diving"}]
}
MMACTION = {**VIDEO, "duration_second": 82.73, "duration_frame": 2067, "fps": 25.0}
EXPECTED = [("Long jump", 0.01, 41.4), ("Diving", 3, 3)]


@pytest.mark.parametrize("video", [VIDEO, HACS, STRINGS, MMACTION], ids=["own", "hacs", "strings", "mmaction"])
@pytest.mark.parametrize("is_wrapped", [True, False])
def test_derived_files_are_read(tmp_path: Path, video: dict[str, Any], is_wrapped: bool) -> None:
    videos = {"v_abc": video, "xyz": TESTING}
    content = {"version": "1.3", "taxonomy": [], "database": videos} if is_wrapped else videos
    found = read(tmp_path, {"a.json": content})
    assert spans(found) == {"v_abc": EXPECTED, "xyz": []}
    assert found.videos[1].split == "testing"


def test_what_a_file_claims_is_kept(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.json": {"database": {"a": HACS, "b": {**MMACTION, "duration": None}}}})
    assert [float(video.duration_seconds or 0) for video in found.videos] == [119.234, 82.73]
    assert found.videos[1].rate == 25


def test_results_of_a_detector_are_no_annotations(tmp_path: Path) -> None:
    content = {
        "version": "VERSION 1.3",
        "results": {"a": [{"label": "x", "score": 1, "segment": [0, 1]}]},
        "external_data": {},
    }
    assert "results of a detector" in problems_of(tmp_path, {"a.json": content}, format_name="activitynet")


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    segments = [{"segment": [0], "label": "x"}, {"segment": [0, "1e999"], "label": "x"}, {"segment": [0, 1]}]
    content = {"database": {"a": {"annotations": segments}, "b": {"annotations": 3}, "c": []}}
    lines = problems_of(tmp_path, {"a.json": content}).splitlines()
    assert len(lines) == 6
    assert "'a', annotation 1: expected [start, end] in seconds, not [0]" in lines[1]
    assert "'a', annotation 3: it has no 'label'" in lines[3]
    assert "'b': 'annotations' must be a list, not 3" in lines[4]

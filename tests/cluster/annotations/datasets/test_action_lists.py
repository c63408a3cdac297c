from __future__ import annotations

from pathlib import Path

from tests.support.annotations import problems_of, read, spans


def test_classes_stay_numbers(tmp_path: Path) -> None:
    video = {"subset": "training", "duration": 72.8, "actions": [[9, 1.5, 3.25], [65, 0, 72.8]]}
    found = read(
        tmp_path, {"m.json": {"video_validation_0000266": video, "video_test_1": {"subset": "testing", "actions": []}}}
    )
    assert spans(found) == {"video_validation_0000266": [("9", 1.5, 3.25), ("65", 0, 72.8)], "video_test_1": []}
    assert float(found.videos[0].duration_seconds or 0) == 72.8


def test_actions_are_three_values(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"m.json": {"a": {"actions": [[1, 2], [1, "x", 2]]}}})
    assert "'a', action 1: expected [class, start, end], not [1, 2]" in text
    assert "'a', action 2: 'x' is not a number" in text

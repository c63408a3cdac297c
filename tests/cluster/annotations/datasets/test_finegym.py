from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.annotations import problems_of, read, spans

CONTENT: dict[str, Any] = {
    "0LtLS9wROrk": {
        "E_002407_002435": {
            "event": 4,
            "segments": {
                "A_0003_0005": {"stages": 1, "timestamps": [[3.45, 5.64]]},
                "A_0008_0012": {"stages": 3, "timestamps": [[8.0, 9.0], [9.0, 10.5], [10.5, 12.25]]},
                "A_0020_0021": {"stages": 1, "timestamps": [[20, 21]]},
            },
            "timestamps": [[2407.32, 2435.28]],
        },
        "E_005787_005866": {"event": 1, "segments": None, "timestamps": [[5787.0, 5866.0]]},
    }
}
TRAIN = "0LtLS9wROrk_E_002407_002435_A_0003_0005 7\n0LtLS9wROrk_E_002407_002435_A_0008_0012 91\n"


def test_actions_count_from_the_start_of_their_event(tmp_path: Path) -> None:
    found = read(tmp_path, {"finegym_annotation_info_v1.1.json": CONTENT, "gym99_train_element_v1.1.txt": TRAIN})
    assert spans(found) == {"0LtLS9wROrk": [("7", 2410.77, 2412.96), ("91", 2415.32, 2419.57)]}
    assert "actions without a class are left out" in found.notes[0]
    assert found.videos[0].split == "train"


def test_actions_have_the_splits_of_their_lists(tmp_path: Path) -> None:
    first, second = TRAIN.splitlines()
    found = read(tmp_path, {"g.json": CONTENT, "gym99_train.txt": first, "gym99_val.txt": second})
    assert [(video.split, [one.label for one in video.annotations]) for video in found.videos] == [
        ("train", ["7"]),
        ("validation", ["91"]),
    ]


def test_without_lists_events_are_the_annotations(tmp_path: Path) -> None:
    found = read(tmp_path, {"g.json": CONTENT})
    assert spans(found) == {"0LtLS9wROrk": [("4", 2407.32, 2435.28), ("1", 5787, 5866)]}
    assert "no list of classes" in found.notes[0]


def test_problems_have_their_places(tmp_path: Path) -> None:
    broken = {"v": {"E_000001_000002": {"event": 1, "timestamps": []}, "E_000003_000004": {"timestamps": [[1, 2]]}}}
    text = problems_of(tmp_path, {"g.json": broken})
    assert "'v', E_000001_000002: it has no timestamps" in text
    assert "'v', E_000003_000004: it has no 'event'" in text

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.annotations import problems_of, read, spans

META = {
    "classes": [],
    "tags": [
        {"name": "jump", "value_type": "none", "target_type": "all"},
        {"name": "movement", "value_type": "oneof_string", "values": ["squat", "lunge"]},
        {"name": "person", "value_type": "any_string"},
    ],
    "projectType": "videos",
}


def video(*tags: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {
        "size": {"height": 1, "width": 1},
        "framesCount": 100,
        "tags": [*tags],
        "objects": [],
        "frames": [],
        **others,
    }


RANGED = {"name": "movement", "value": "squat", "frameRange": [0, 24], "key": "a" * 32}


def test_ranges_include_both_frames_and_count_from_0(tmp_path: Path) -> None:
    unfinished = {"name": "jump", "value": None, "frameRange": [99, 99]}
    found = read(tmp_path, {"ann/a.mp4.json": video(RANGED, unfinished), "meta.json": META})
    assert spans(found) == {"video/a.mp4": [("movement", 0, 24), ("jump", 99, 99)]}
    assert found.videos[0].frame_count == 100
    assert found.classes == ("jump", "movement", "person")
    assert found.videos[0].annotations[0].attributes == (("movement", "squat"),)
    assert found.videos[0].annotations[0].source == "ann/a.mp4.json, tag 1"


def test_tags_without_range_are_about_the_whole_video(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.mp4.json": video({"name": " jump "})})
    assert spans(found) == {"a.mp4": [("jump",)]}


@pytest.mark.parametrize(
    ("label_from", "expected"),
    [("name", ["movement", "jump"]), ("value", ["squat", "jump"]), ("movement", ["squat"])],
)
def test_the_class_is_name_or_value(tmp_path: Path, label_from: str, expected: list[str]) -> None:
    files = {"ann/a.mp4.json": video(RANGED, {"name": "jump", "frameRange": [3, 4]}), "meta.json": META}
    found = read(tmp_path, files, label_from=label_from)
    assert [one.label for one in found.videos[0].annotations] == expected
    assert (
        found.classes
        == {"name": ("jump", "movement", "person"), "value": (), "movement": ("squat", "lunge")}[label_from]
    )


def test_numbers_are_values_too(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.mp4.json": video({"name": "reps", "value": 3, "frameRange": [1, 2]})}, label_from="reps")
    assert spans(found) == {"a.mp4": [("3", 1, 2)]}


def test_an_unknown_tag_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"a.mp4.json": video(RANGED)}, label_from="movment")
    assert "did you mean 'movement'?" in text


def test_tags_of_objects_have_ranges_or_last_as_long_as_the_object_is_drawn(tmp_path: Path) -> None:
    objects = [
        {"key": "k1", "classTitle": "person", "tags": [{"name": "sit", "frameRange": [2, 3]}, {"name": "stand"}]}
    ]
    frames = [{"index": n, "figures": [{"objectKey": "k1", "geometryType": "rectangle"}]} for n in (7, 5, 6)]
    found = read(tmp_path, {"a.mp4.json": video(objects=objects, frames=frames)})
    assert spans(found) == {"a.mp4": [("sit", 2, 3), ("stand", 5, 7)]}
    assert ("object", "person") in found.videos[0].annotations[0].attributes


def test_names_are_whole_and_datasets_may_nest(tmp_path: Path) -> None:
    files = {
        "meta.json": META,
        "key_id_map.json": {"tags": {}},
        "ds0/ann/a.json": video(RANGED),
        "ds0/datasets/inner/ann/a.b.mp4.json": video(RANGED),
    }
    assert [*spans(read(tmp_path, files))] == ["ds0/video/a", "ds0/datasets/inner/video/a.b.mp4"]


def test_an_object_is_known_by_key_or_number_and_may_be_drawn_nowhere(tmp_path: Path) -> None:
    objects = [{"key": f"k{n}", "id": n, "classTitle": "person", "tags": [{"name": "jump"}]} for n in (1, 2)]
    frames = [{"index": 5, "figures": [{"objectId": 1}]}]
    found = read(tmp_path, {"a.mp4.json": video(objects=objects, frames=frames)})
    assert spans(found) == {"a.mp4": [("jump", 5, 5)]}
    assert found.notes == ("tags of objects that no frame shows are left out (a.mp4.json, object 2, tag 1)",)


def test_downloads_are_wrapped(tmp_path: Path) -> None:
    wrapped = {"videoId": 7, "videoName": "clip.mov", "annotation": video(RANGED)}
    assert spans(read(tmp_path, {"x.json": wrapped})) == {"clip.mov": [("movement", 0, 24)]}


def test_a_tag_that_groups_is_no_class(tmp_path: Path) -> None:
    who = [{"name": "person", "value": name} for name in ("Ana", "Ben")]
    found = read(tmp_path, {"a.mp4.json": video(RANGED, who[0])}, group_from="person")
    assert spans(found) == {"a.mp4": [("movement", 0, 24)]}
    assert [one.group for one in found.videos[0].annotations] == ["Ana"]
    assert "tags 'person' differ" in read(tmp_path, {"a.json": video(RANGED, *who)}, group_from="person").notes[0]


def test_ranges_past_the_end_and_backwards_stay_for_validation(tmp_path: Path) -> None:
    found = read(tmp_path, {"a.mp4.json": video({**RANGED, "frameRange": [90, 500]}, {**RANGED, "frameRange": [9, 3]})})
    assert spans(found) == {"a.mp4": [("movement", 90, 500), ("movement", 9, 3)]}


def test_all_problems_come_at_once_with_their_places(tmp_path: Path) -> None:
    bad = video({"value": 1}, {"name": "jump", "frameRange": [1]}, {"name": "jump", "frameRange": [-1, 2]})
    text = problems_of(tmp_path, {"ann/a.json": bad, "ann/b.json": {"tags": []}, "ann/c.json": "{"})
    assert "ann/a.json, tag 1: it has no 'name'" in text
    assert "ann/a.json, tag 2: frameRange [1] is not a first and a last frame" in text
    assert "ann/a.json, tag 3: -1 is no number of a frame, which count from 0" in text
    assert "ann/b.json: it has no 'framesCount'" in text
    assert "ann/c.json: it is no JSON" in text

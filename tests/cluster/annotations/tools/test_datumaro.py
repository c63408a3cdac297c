from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.annotations import problems_of, read, spans

CATEGORIES = {"label": {"labels": [{"name": "cat", "parent": ""}, {"name": "dog", "parent": ""}], "attributes": []}}


def item(name: str, *labels: int, **values: Any) -> dict[str, Any]:
    return {
        "id": name,
        "annotations": [{"id": 0, "type": "label", "label_id": one, "attributes": {"a": 1}} for one in labels],
        **values,
    }


def export(*items: dict[str, Any]) -> dict[str, Any]:
    return {"info": {}, "categories": CATEGORIES, "items": [*items]}


def test_videos_have_closed_ranges(tmp_path: Path) -> None:
    one = item("x", 1, video={"path": "v/a.mp4", "start_frame": 5, "end_frame": 9, "step": 2})
    whole = item("y", 0, video={"path": "b.mp4", "start_frame": 0, "end_frame": None, "step": 1})
    found = read(tmp_path, {"annotations/train.json": export(one, whole), "annotations/default.json": export()})
    assert spans(found) == {"v/a.mp4": [("dog", 5, 9)], "b.mp4": [("cat",)]}
    assert found.classes == ("cat", "dog")
    assert found.videos[0].split == "train"
    assert found.videos[0].annotations[0].attributes == (("a", "1"),)


def test_a_video_in_two_subsets_has_an_entry_for_each(tmp_path: Path) -> None:
    frames = [export(item("x", 0, video_frame={"video_path": "a.mp4", "frame_index": n})) for n in range(2)]
    found = read(tmp_path, {"annotations/train.json": frames[0], "annotations/test.json": frames[1]})
    assert sorted((video.split, len(video.annotations)) for video in found.videos) == [("test", 1), ("train", 1)]


def test_frames_that_follow_each_other_are_one_annotation(tmp_path: Path) -> None:
    frames = [item(str(n), 0, video_frame={"video_path": "a.mp4", "frame_index": n}) for n in (2, 0, 1, 7)]
    assert spans(read(tmp_path, {"default.json": export(*frames)})) == {"a.mp4": [("cat", 0, 2), ("cat", 7, 7)]}


def test_frames_at_a_step_stand_for_those_up_to_the_next_one(tmp_path: Path) -> None:
    numbers, labelled = (0, 30, 60, 90, 150), (30, 60, 150)
    frames = [
        item(f"{n:06d}", *([0] if n in labelled else []), video_frame={"video_path": "a.mp4", "frame_index": n})
        for n in numbers
    ]
    found = read(tmp_path, {"train.json": export(*frames)})
    assert spans(found) == {"a.mp4": [("cat", 30, 89), ("cat", 150, 179)]}
    assert found.notes == ("where the items of a video are every 30th frame, each one stands for 30 (a.mp4)",)


def test_frames_at_no_step_stand_for_themselves(tmp_path: Path) -> None:
    frames = [item(str(n), 0, video_frame={"video_path": "a.mp4", "frame_index": n}) for n in (10, 50, 110, 240)]
    found = read(tmp_path, {"train.json": export(*frames)})
    assert spans(found) == {"a.mp4": [("cat", n, n) for n in (10, 50, 110, 240)]}


def test_subsets_that_are_no_splits_are_noted(tmp_path: Path) -> None:
    one = item("x", 1, video={"path": "v/a.mp4", "start_frame": 5, "end_frame": 9, "step": 2})
    found = read(tmp_path, {"annotations/fold1.json": export(one), "annotations/val_2.json": export(one)})
    assert [(video.name, video.split, len(video.annotations)) for video in found.videos] == [
        ("v/a.mp4", "", 1),
        ("v/a.mp4", "validation", 1),
    ]
    assert found.notes[0].startswith("subsets that are none of train, validation and test are no splits")


def test_items_of_its_cvat_reader_are_frames_by_their_ids(tmp_path: Path) -> None:
    frames = [item(f"frame_{n:06d}", 1, attr={"frame": n}, image={"path": "x"}) for n in (3, 4)]
    found = read(tmp_path, {"film.json": export(*frames, item("v/frame_000012", 0))})
    assert spans(found) == {"film": [("dog", 3, 4)], "v": [("cat", 12, 12)]}
    assert "do not say of which video" in found.notes[1]


def test_shapes_are_noted_and_mistakes_are_problems(tmp_path: Path) -> None:
    shape = {"id": "7", "annotations": [{"type": "bbox", "label_id": 0, "bbox": [0, 0, 1, 1]}]}
    found = read(tmp_path, {"test.json": export(shape)})
    assert spans(found) == {"test": []}
    assert "no labels are left out" in found.notes[0]
    open_end = item("v", 0, video={"path": "a.mp4", "start_frame": 3})
    text = problems_of(tmp_path, {"x.json": export(item("1", 2), item("name", 0), open_end)})
    assert "item 1: label_id 2 is not in the categories, which are 2" in text
    assert "item 2: it is no frame of a video" in text
    assert "has no end_frame" in text

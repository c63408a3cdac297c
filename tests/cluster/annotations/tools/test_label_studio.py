from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.support.annotations import problems_of, read, spans

VIDEO = {"video": "/data/upload/1/1a2b3c4d-a.mp4"}
NAME = VIDEO["video"]


def timeline(start: int | None, end: int | None, label: str = "jump", **others: Any) -> dict[str, Any]:
    value = {"ranges": [{"start": start, "end": end}], "timelinelabels": [label]}
    return {"type": "timelinelabels", "from_name": "events", "to_name": "video", "value": value, **others}


def track(*keyframes: tuple[int, bool], times: bool = True, **value: Any) -> dict[str, Any]:
    sequence = [{"frame": f, "enabled": on, **({"time": f / 24} if times else {})} for f, on in keyframes]
    drawn = {"sequence": sequence, "labels": ["person"], "framesCount": 48, "duration": 2, **value}
    return {"type": "videorectangle", "from_name": "box", "to_name": "video", "value": drawn}


def tasks(*results: dict[str, Any], data: dict[str, Any] = VIDEO, **annotation: Any) -> list[dict[str, Any]]:
    return [{"id": 1, "data": data, "annotations": [{"id": 2, "result": [*results], **annotation}]}]


def test_frames_count_from_1_both_included_at_the_rate_of_the_configuration(tmp_path: Path) -> None:
    found = read(tmp_path, {"e.json": tasks(timeline(1, 24), timeline(30, 30))}, frame_rate=24)
    assert spans(found) == {NAME: [("jump", 0, 23, Fraction(24)), ("jump", 29, 29, Fraction(24))]}


def test_the_rate_is_asked_for_and_never_guessed(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"e.json": tasks(timeline(1, 24), track((1, True), (25, True)))})
    assert "give it with --frame-rate" in text
    assert "e.json, task 1, annotation 1, result 1" in text
    assert "times of 24" in text


def test_a_rate_below_1_is_seconds_for_each_frame(tmp_path: Path) -> None:
    found = read(tmp_path, {"e.json": tasks(timeline(2, 3))}, frame_rate="1/30")
    assert spans(found) == {NAME: [("jump", 1, 2, Fraction(30))]}


def test_a_rate_that_keyframes_contradict_is_refused(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"e.json": tasks(track((1, True), (241, True)))}, frame_rate=30)
    assert "frame 241 is at 10.0417 s, at 24 frames per second: --frame-rate 30 is not that" in text


def test_a_range_with_one_end_is_a_frame_and_one_without_is_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, {"e.json": tasks(timeline(5, None), timeline(None, None), timeline(0, 4))}, frame_rate=25)
    assert spans(found) == {NAME: [("jump", 4, 4, 25), ("jump", 0, 3, 25)]}
    assert len(found.notes) == 3


def test_tracks_switch_off_and_on(tmp_path: Path) -> None:
    moving = track((1, True), (10, False), (20, True), (30, True))
    found = read(tmp_path, {"e.json": tasks(moving)}, frame_rate=24)
    assert spans(found) == {NAME: [("person", 0, 9, 24), ("person", 19, 47, 24)]}


def test_a_track_without_a_count_ends_with_its_last_keyframe(tmp_path: Path) -> None:
    found = read(tmp_path, {"e.json": tasks(track((3, True), (8, True), times=False, framesCount=None))}, frame_rate=24)
    assert spans(found) == {NAME: [("person", 2, 7, 24)]}


def test_labels_on_sound_are_seconds_and_need_no_rate(tmp_path: Path) -> None:
    sound = {
        "type": "labels",
        "from_name": "l",
        "to_name": "audio",
        "value": {"start": 0.5, "end": 2.25, "labels": ["laugh"]},
    }
    data = {
        "videoSource": '<video src="https://host/films/a.mp4?sig=1" width="100%" muted>',
        "audio": "https://host/a.mp3",
    }
    found = read(tmp_path, {"e.json": tasks({**sound, "to_name": "other"}, data=data)})
    assert spans(found)["host/films/a.mp4"] == [("laugh", 0.5, 2.25)]


def test_choices_are_about_the_whole_video(tmp_path: Path) -> None:
    choice = {"type": "choices", "from_name": "c", "to_name": "video", "value": {"choices": ["good", "sharp"]}}
    assert spans(read(tmp_path, {"e.json": tasks(choice)})) == {NAME: [("good",), ("sharp",)]}


def test_choices_for_a_region_are_about_the_region(tmp_path: Path) -> None:
    regions = (timeline(1, 24), track((1, True), (5, False)), {"value": {"start": 0.5, "end": 2, "labels": ["laugh"]}})
    choices = [
        {"type": "choices", "from_name": "c", "to_name": "video", "value": {**one["value"], "choices": ["good"]}}
        for one in regions
    ]
    found = read(tmp_path, {"e.json": tasks(*choices)}, frame_rate=24)
    assert spans(found) == {NAME: [("good", 0, 23, 24), ("good", 0, 4, 24), ("good", 0.5, 2)]}


def test_cancelled_annotations_and_predictions_are_left_out(tmp_path: Path) -> None:
    content = tasks(timeline(1, 2), was_cancelled=True)
    content[0]["annotations"].append({"result": [timeline(3, 4)], "completed_by": {"id": 5, "email": "a@b.c"}})
    content[0]["predictions"] = [{"result": [timeline(9, 9)]}]
    found = read(tmp_path, {"e.json": content}, frame_rate=24)
    assert spans(found) == {NAME: [("jump", 2, 3, 24)]}
    assert dict(found.videos[0].annotations[0].attributes)["annotator"] == "a@b.c"
    assert [note.split(" (")[0] for note in found.notes] == [
        "predictions are left out",
        "cancelled annotations are left out",
    ]


def test_old_exports_call_annotations_completions(tmp_path: Path) -> None:
    content = [{"data": VIDEO, "completions": [{"result": [timeline(1, 1)]}]}]
    assert spans(read(tmp_path, {"e.json": content}, frame_rate=24)) == {NAME: [("jump", 0, 0, 24)]}


def test_json_min_has_the_control_as_key_and_no_types(tmp_path: Path) -> None:
    record = {
        "id": 1,
        "video": "/data/local-files/?d=films%2Fa.mp4",
        "events": [{"ranges": [{"start": 1, "end": 10}], "timelinelabels": ["jump"]}],
        "box": [track((1, True), (5, False), labels=["dog"])["value"]],
        "annotator": 3,
        "annotation_id": 9,
        "lead_time": 1.5,
    }
    found = read(tmp_path, {"e.json": [record]}, frame_rate=24)
    assert spans(found) == {"films/a.mp4": [("jump", 0, 9, 24), ("dog", 0, 4, 24)]}
    alone = read(tmp_path, {"e.json": [record]}, frame_rate=24, label_from="box")
    assert spans(alone) == {"films/a.mp4": [("dog", 0, 4, 24)]}


def test_a_choice_of_json_min_is_the_text_of_its_control(tmp_path: Path) -> None:
    record = {"id": 1, "video": "a.mp4", "title": "x", "quality": "good", "annotator": 3, "annotation_id": 9}
    alone = read(tmp_path, {"e.json": [record]})
    assert spans(alone) == {"a.mp4": []}
    assert "--label-from" in alone.notes[0]
    assert spans(read(tmp_path, {"e.json": [record]}, label_from="quality")) == {"a.mp4": [("good",)]}


def test_predictions_alone_do_not_say_of_which_video(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"e.json": [{"result": [timeline(1, 2)], "score": 0.5, "model_version": "m"}]})
    assert "a prediction without its task" in text


def test_other_results_and_unlabelled_ones_are_noted(tmp_path: Path) -> None:
    text_area = {"type": "textarea", "from_name": "t", "to_name": "video", "value": {"text": ["x"]}}
    found = read(tmp_path, {"e.json": tasks(text_area, track((1, True), labels=[]))}, frame_rate=24)
    assert spans(found) == {NAME: []}
    assert len(found.notes) == 2


@pytest.mark.parametrize("value", [{"ranges": [3]}, {"ranges": [{"start": 1.5, "end": 2}]}, {"ranges": "x"}])
def test_wrong_ranges_are_problems(tmp_path: Path, value: dict[str, Any]) -> None:
    result = timeline(1, 2)
    result["value"] = {"timelinelabels": ["a"], **value}
    assert "task 1, annotation 1, result 1: " in problems_of(tmp_path, {"e.json": tasks(result)}, frame_rate=24)


def test_a_task_without_media_is_a_problem(tmp_path: Path) -> None:
    assert "no value of its data is the name of a video" in problems_of(
        tmp_path, {"e.json": tasks(timeline(1, 2), data={"text": "hello"})}, frame_rate=24
    )

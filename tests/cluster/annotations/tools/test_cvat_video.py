from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.annotations import problems_of, read, spans


def task(
    source: str = "a.mp4", *, start: int = 0, stop: int = 99, step: int = 1, task_id: str = "1", mode: str = ""
) -> str:
    name = f"<source>{source}</source>" if source else ""
    return (
        f"<id>{task_id}</id><name>t</name><size>100</size><mode>{mode or 'interpolation'}</mode><subset>Train</subset>"
        f"<start_frame>{start}</start_frame><stop_frame>{stop}</stop_frame>"
        f"<frame_filter>{f'step={step}' if step > 1 else ''}</frame_filter>"
        "<labels><label><name>car</name><attributes><attribute><name>doing</name></attribute></attributes></label>"
        f"<label><name>dog</name></label></labels>{name}"
    )


def box(frame: int, outside: int = 0, doing: str = "", shape: str = "box") -> str:
    values = f'<attribute name="doing">{doing}</attribute>' if doing else ""
    return f'<{shape} frame="{frame}" outside="{outside}" keyframe="0" xtl="1">{values}</{shape}>'


def track(*rows: str, label: str = "car", more: str = "") -> str:
    return f'<track id="0" label="{label}" source="manual"{more}>\n{"".join(rows)}</track>'


def export(*tracks: str, meta: str = f"<task>{task()}</task>") -> str:
    head = '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>\n'
    return f"{head}<meta>{meta}<dumped>2024</dumped></meta>\n{''.join(tracks)}</annotations>"


def test_a_track_ends_before_the_row_that_is_outside(tmp_path: Path) -> None:
    found = read(tmp_path, {"annotations.xml": export(track(box(3), box(4), box(5, 1)))})
    assert spans(found) == {"a.mp4": [("car", 3, 4)]}
    assert found.videos[0].frame_count == 100
    assert found.videos[0].split == "train"
    assert found.classes == ("car", "dog")


def test_a_video_in_tasks_of_two_subsets_has_an_entry_for_each(tmp_path: Path) -> None:
    train = export(track(box(3), box(4, 1)))
    test = export(track(box(9), box(10, 1))).replace("Train", "Test")
    found = read(tmp_path, {"a.xml": train, "b.xml": test})
    assert [(video.name, video.split, len(video.annotations)) for video in found.videos] == [
        ("a.mp4", "train", 1),
        ("a.mp4", "test", 1),
    ]


def test_a_track_that_comes_back_is_two_annotations(tmp_path: Path) -> None:
    found = read(tmp_path, {"x.xml": export(track(box(3), box(4), box(5, 1), box(9), box(10), label="dog"))})
    assert spans(found) == {"a.mp4": [("dog", 3, 4), ("dog", 9, 10)]}


def test_frames_are_those_of_the_source_and_a_row_lasts_for_the_step(tmp_path: Path) -> None:
    meta = f"<task>{task(start=100, stop=190, step=10)}</task>"
    found = read(tmp_path, {"x.xml": export(track(box(110), box(120), box(130, 1)), track(box(190)), meta=meta)})
    assert spans(found) == {"a.mp4": [("car", 110, 129), ("car", 190, 199)]}
    assert found.videos[0].frame_count is None


def test_a_clip_ends_where_the_attribute_changes(tmp_path: Path) -> None:
    rows = [box(0, doing="walk"), box(1, doing="walk"), box(2, doing="run"), box(3, 1, doing="run")]
    files = {"x.xml": export(track(*rows))}
    assert spans(read(tmp_path, files, label_from="doing")) == {"a.mp4": [("walk", 0, 1), ("run", 2, 2)]}
    assert spans(read(tmp_path, files, label_from="value")) == {"a.mp4": [("walk", 0, 1), ("run", 2, 2)]}
    found = read(tmp_path, files)
    assert spans(found) == {"a.mp4": [("car", 0, 2)]}
    assert found.videos[0].annotations[0].attributes == ()  # of the whole track, nothing holds
    assert "did you mean 'doing'?" in problems_of(tmp_path, files, label_from="dong")


def test_tracks_without_the_attribute_are_noted(tmp_path: Path) -> None:
    found = read(tmp_path, {"x.xml": export(track(box(0)), track(box(0, doing="walk")))}, label_from="doing")
    assert spans(found) == {"a.mp4": [("walk", 0, 0)]}
    assert len(found.notes) == 1


def test_a_project_has_several_tasks(tmp_path: Path) -> None:
    tasks = "".join(f"<task>{task(f'{n}.mp4', task_id=str(n))}</task>" for n in (7, 8))
    meta = f"<project><id>1</id><tasks>{tasks}</tasks><labels><label><name>car</name></label></labels></project>"
    found = read(tmp_path, {"x.xml": export(track(box(1), more=' task_id="8" subset="Train"'), meta=meta)})
    assert spans(found) == {"7.mp4": [], "8.mp4": [("car", 1, 1)]}
    text = problems_of(tmp_path, {"x.xml": export(track(box(1), more=' task_id="9"'), meta=meta)})
    assert "task_id '9' is none of the tasks of the project (7, 8)" in text


def test_tasks_of_one_video_may_be_in_several_splits(tmp_path: Path) -> None:
    parts = (task(task_id="7"), task(task_id="8").replace("Train", "Test"), task(task_id="9"))
    meta = f"<project><tasks>{''.join(f'<task>{one}</task>' for one in parts)}</tasks></project>"
    tracks = (track(box(n), more=f' task_id="{n}"') for n in (7, 8, 9))
    found = read(tmp_path, {"x.xml": export(*tracks, meta=meta)})
    assert [(video.split, len(video.annotations)) for video in found.videos] == [("train", 2), ("test", 1)]


def test_a_job_names_no_media_and_is_called_after_its_file(tmp_path: Path) -> None:
    meta = f"<job>{task('')}</job><original_size><width>1</width></original_size>"
    found = read(tmp_path, {"film/annotations.xml": export(track(box(1)), meta=meta)})
    assert spans(found) == {"film": [("car", 1, 1)]}
    assert "does not name its media" in found.notes[0]


def test_a_skeleton_is_outside_where_all_points_are(tmp_path: Path) -> None:
    def skeleton(frame: int, *outside: int) -> str:
        points = "".join(f'<points label="p" outside="{one}"/>' for one in outside)
        return f'<skeleton frame="{frame}" keyframe="1">{points}</skeleton>'

    found = read(tmp_path, {"x.xml": export(track(skeleton(0, 0, 1), skeleton(1, 0, 0), skeleton(2, 1, 1)))})
    assert spans(found) == {"a.mp4": [("car", 0, 1)]}


@pytest.mark.parametrize("shape", ["polygon", "polyline", "points", "cuboid", "ellipse", "mask"])
def test_all_shapes_count(tmp_path: Path, shape: str) -> None:
    assert spans(read(tmp_path, {"x.xml": export(track(box(6, shape=shape)))})) == {"a.mp4": [("car", 6, 6)]}


def test_a_task_without_tracks_is_recognised(tmp_path: Path) -> None:
    assert spans(read(tmp_path, {"x.xml": export()})) == {"a.mp4": []}


def test_problems_have_their_lines(tmp_path: Path) -> None:
    rows = ['<box outside="0"/>\n', box(5), "\n", box(4), '\n<box frame="x"/>']
    text = problems_of(tmp_path, {"x.xml": export(track(*rows))})
    assert "x.xml, track 0 (line 4): line 5: <box> has no attribute 'frame'" in text
    assert "line 7: frame 4 comes after frame 5" in text
    assert "'x' is not a number" in text


def test_entities_are_refused(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]>'
    text = problems_of(
        tmp_path, {"x.xml": export().replace("<annotations>", f"{bomb}<annotations>")}, format_name="cvat-video"
    )
    assert "document type" in text


def test_a_file_that_is_cut_short_says_where(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"x.xml": export(track(box(1)))[:-20]}, format_name="cvat-video")
    assert "it is no XML" in text
    assert "cut short" in text

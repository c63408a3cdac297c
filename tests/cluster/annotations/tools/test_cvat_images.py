from __future__ import annotations

from pathlib import Path

from tests.cluster.annotations.tools.test_cvat_video import export, task, track
from tests.support.annotations import problems_of, read, spans


def image(frame: int, *content: str, more: str = "") -> str:
    return f'<image id="{frame}" name="frame_{frame:06d}" width="1" height="1"{more}>{"".join(content)}</image>\n'


def tag(label: str = "rain", doing: str = "") -> str:
    value = f'<attribute name="doing">{doing}</attribute>' if doing else ""
    return f'<tag label="{label}" source="manual">{value}</tag>'


def meta(**values: object) -> str:
    return f"<task>{task(mode='annotation', **values)}</task>"  # type: ignore[arg-type]


def test_tags_of_frames_that_follow_each_other_are_one_annotation(tmp_path: Path) -> None:
    frames = [*(image(n, tag()) for n in (4, 3, 5)), image(6), image(7, tag(), tag("snow")), image(8, tag("snow"))]
    found = read(tmp_path, {"x.xml": export(*frames, meta=meta())})
    assert spans(found) == {"a.mp4": [("rain", 3, 5), ("rain", 7, 7), ("snow", 7, 8)]}
    assert found.classes == ("car", "dog")


def test_a_video_in_tasks_of_two_subsets_has_an_entry_for_each(tmp_path: Path) -> None:
    train = export(image(3, tag()), meta=meta())
    found = read(tmp_path, {"a.xml": train, "b.xml": train.replace("Train", "Test")})
    assert [(video.split, len(video.annotations)) for video in found.videos] == [("train", 1), ("test", 1)]


def test_frames_follow_each_other_at_the_step(tmp_path: Path) -> None:
    found = read(tmp_path, {"x.xml": export(*(image(n, tag()) for n in (10, 15, 25)), meta=meta(start=10, step=5))})
    assert spans(found) == {"a.mp4": [("rain", 10, 19), ("rain", 25, 29)]}


def test_a_run_ends_where_the_attribute_changes(tmp_path: Path) -> None:
    frames = [image(0, tag(doing="light")), image(1, tag(doing="light")), image(2, tag(doing="heavy")), image(3, tag())]
    found = read(tmp_path, {"x.xml": export(*frames, meta=meta())}, label_from="doing")
    assert spans(found) == {"a.mp4": [("light", 0, 1), ("heavy", 2, 2)]}
    assert "left out" in found.notes[0]


def test_shapes_are_left_out_with_the_remedy(tmp_path: Path) -> None:
    found = read(tmp_path, {"x.xml": export(image(0, '<box label="car" xtl="1"/>', tag()), meta=meta())})
    assert spans(found) == {"a.mp4": [("rain", 0, 0)]}
    assert "export the task as 'CVAT for video'" in found.notes[0]


def test_images_of_a_project_say_their_task(tmp_path: Path) -> None:
    tasks = "".join(f"<task>{task(f'{n}.mp4', task_id=str(n))}</task>" for n in (7, 8))
    head = f"<project><tasks>{tasks}</tasks></project>"
    found = read(tmp_path, {"x.xml": export(image(1, tag(), more=' task_id="8"'), meta=head)})
    assert spans(found) == {"7.mp4": [], "8.mp4": [("rain", 1, 1)]}


def test_tasks_of_one_video_may_have_several_steps(tmp_path: Path) -> None:
    tasks = "".join(f"<task>{task(task_id=str(n), step=n)}</task>" for n in (2, 5))
    images = (image(frame, tag(), more=f' task_id="{n}"') for n, frame in ((2, 0), (2, 2), (5, 50), (5, 55)))
    found = read(tmp_path, {"x.xml": export(*images, meta=f"<project><tasks>{tasks}</tasks></project>")})
    assert spans(found) == {"a.mp4": [("rain", 0, 3), ("rain", 50, 59)]}


def test_the_other_format_is_refused_by_name(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"x.xml": export(image(1, tag()))}, format_name="cvat-video")
    assert "read it as --format cvat-images" in text
    assert "x.xml, image 1 (line 4): 'first' is not" in problems_of(
        tmp_path,
        {"x.xml": export(image(1, tag()).replace('id="1"', 'id="first"'), meta=meta())},
        format_name="cvat-images",
    ).replace("image first", "image 1")
    assert spans(read(tmp_path, {"x.xml": export(track())})) == {"a.mp4": []}

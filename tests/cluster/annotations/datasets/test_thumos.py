from __future__ import annotations

from pathlib import Path

from tests.support.annotations import problems_of, read, spans

DIVE = "video_test_0000006  61.2 64.3\nvideo_test_0000006  70.0 71.5 \n"


def test_a_file_is_a_class_and_ambiguous_ones_are_none(tmp_path: Path) -> None:
    files = {
        "annotation/CliffDiving_test.txt": DIVE,
        "annotation/Diving_test.txt": DIVE,
        "annotation/Diving_val.txt": "video_validation_0000051 1.0 2.0\n",
        "annotation/Ambiguous_test.txt": "video_test_0001292 50.9 60.0\n",
        "detclasslist.txt": "7 BaseballPitch\n22 CliffDiving\n26 Diving\n",
    }
    found = read(tmp_path, files)
    both = [("CliffDiving", 61.2, 64.3), ("CliffDiving", 70, 71.5), ("Diving", 61.2, 64.3), ("Diving", 70, 71.5)]
    assert {name: sorted(its) for name, its in spans(found).items()} == {
        "video_test_0001292": [],
        "video_test_0000006": both,
        "video_validation_0000051": [("Diving", 1, 2)],
    }
    assert found.classes == ("BaseballPitch", "CliffDiving", "Diving")
    assert {video.split for video in found.videos} == {"test", "validation"}


def test_multithumos_names_its_files_after_classes_alone(tmp_path: Path) -> None:
    found = read(tmp_path, {"annotations/BodyRoll.txt": DIVE, "class_list.txt": "1 BaseballPitch\n"})
    assert [one.label for one in found.videos[0].annotations] == ["BodyRoll", "BodyRoll"]


def test_rows_that_are_none_are_problems(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"A_val.txt": f"{DIVE}video_x 1.0\n"}, format_name="thumos")
    assert "A_val.txt, line 3: 'video_x 1.0' is not a video with a start and an end" in text

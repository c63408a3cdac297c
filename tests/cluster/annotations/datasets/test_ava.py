from __future__ import annotations

from pathlib import Path

from tests.support.annotations import problems_of, read, spans

NAMES = """item {
  name: "bend/bow (at the waist)"
  id: 1
}
label {
  name: "sit"
  label_id: 11
  label_type: PERSON_MOVEMENT
}
"""


def row(time: str, action: int, person: int = 0, video: str = "-5KQ66BBWC4") -> str:
    return f"{video},{time},0.077,0.151,0.283,0.811,{action},{person}\n"


def test_keyframes_of_a_person_that_follow_each_other_are_one_annotation(tmp_path: Path) -> None:
    text = row("0902", 1) + row("0903", 1) + row("0903", 1, 4) + row("0903", 80) + row("0905", 1)
    found = read(tmp_path, {"ava_train_v2.2.csv": text})
    assert spans(found) == {
        "-5KQ66BBWC4": [("1", 901.5, 903.5), ("1", 904.5, 905.5), ("1", 902.5, 903.5), ("80", 902.5, 903.5)]
    }
    assert found.videos[0].split == "train"
    assert found.videos[0].annotations[2].attributes == (("person", "4"),)


def test_a_video_in_lists_of_two_splits_has_an_entry_for_each(tmp_path: Path) -> None:
    found = read(tmp_path, {"ava_train.csv": row("0902", 1), "ava_val.csv": row("0903", 1)})
    assert [(video.split, len(video.annotations)) for video in found.videos] == [("train", 1), ("validation", 1)]


def test_a_list_in_the_folder_names_the_classes(tmp_path: Path) -> None:
    found = read(tmp_path, {"ava_val.csv": row("0902", 11), "ava_action_list.pbtxt": NAMES})
    assert spans(found) == {"-5KQ66BBWC4": [("sit", 901.5, 902.5)]}
    assert found.classes == ("bend/bow (at the waist)", "sit")


def test_ava_kinetics_has_keyframes_without_action_and_microseconds(tmp_path: Path) -> None:
    found = read(tmp_path, {"kinetics_train.csv": row("12.345678", 12, video="abc") + "def,52.000000\n"})
    assert spans(found) == {"abc": [("12", 11.845678, 12.845678)], "def": []}


def test_rows_of_other_lengths_are_problems(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"a.csv": row("0902", 1) * 60 + "a,b,c\n"}, format_name="ava")
    assert "a.csv, line 61: it has 3 cells" in text

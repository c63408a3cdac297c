from __future__ import annotations

from pathlib import Path

from tests.support.annotations import problems_of, read, spans

HEADER = (
    "narration_id,participant_id,video_id,narration_timestamp,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "narration,verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n"
)
ROW = "P01_01_0,P01,P01_01,00:00:01.089,00:00:00.14,00:01:03.37,8,202,open door,open,3,door,3,['door'],[3]\n"


def test_timestamps_count_and_frames_do_not(tmp_path: Path) -> None:
    found = read(tmp_path, {"EPIC_100_train.csv": HEADER + ROW})
    assert spans(found) == {"P01_01": [("open door", 0.14, 63.37)]}
    assert (found.videos[0].split, found.videos[0].group) == ("train", "P01")
    assert "start_frame" not in dict(found.videos[0].annotations[0].attributes)


def test_the_class_may_be_any_column(tmp_path: Path) -> None:
    files = {"EPIC_100_train.csv": HEADER + ROW}
    for column, label in (("verb", "open"), ("noun_class", "3"), ("narration", "open door")):
        assert [one.label for one in read(tmp_path, files, label_from=column).videos[0].annotations] == [label]
    assert "did you mean 'verb'?" in problems_of(tmp_path, files, label_from="verbs")


def test_lists_of_test_segments_have_no_labels(tmp_path: Path) -> None:
    text = "narration_id,participant_id,video_id,start_timestamp,stop_timestamp\nx,P01,P01_11,00:00:00.00,00:00:01.00\n"
    found = read(tmp_path, {"EPIC_100_test_timestamps.csv": text})
    assert spans(found) == {"P01_11": []}
    assert "without a label are left out" in found.notes[0]


def test_times_must_be_clocks(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"e.csv": HEADER + ROW.replace("00:00:00.14", "0.14")})
    assert "line 2: '0.14' is not a time such as 01:02:03.5" in text

"""What is wrong with an export, the videos or the splits is found before any video is opened."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from cluster.cutting.config import CuttingOptions
from cluster.cutting.plan import make_plan
from schemas.annotations import AnnotatedVideo, Annotation, AnnotationSet, FrameRange
from schemas.cuttings import FindingCode
from schemas.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(10):
        (tmp_path / "videos").mkdir(exist_ok=True)
        (tmp_path / "videos" / f"v{number}.mp4").write_bytes(b"not opened")
    return tmp_path


def options(folder: Path, **given: object) -> CuttingOptions:
    places = {"annotations": "export", "videos": str(folder / "videos"), "output": str(folder / "clips.csv")}
    return CuttingOptions.of(**{**places, **given})


def export(*labels: str, split: str = "", groups: int = 0) -> AnnotationSet:
    """Every video has all the labels, in this order; persons in turn."""
    videos = []
    for number in range(10):
        group = f"person {number % groups}" if groups else ""
        found = [
            Annotation(label, FrameRange(5 * at, 5 * at + 4), f"line {at}", group) for at, label in enumerate(labels)
        ]
        videos.append(AnnotatedVideo(f"v{number}.mp4", tuple(found), split=split))
    return AnnotationSet(tuple(videos), (), ("a note",))


def test_groups_stay_in_one_split(folder: Path) -> None:
    for groups, known in ((0, 10), (5, 5)):
        plan = make_plan(options(folder), export("run", "walk", groups=groups))
        splits = defaultdict(set)
        for unit in plan.worker.stage.units.values():
            for clip in unit.clips:
                splits[clip.group].add(clip.split)
        assert len(splits) == known
        assert all(len(each) == 1 for each in splits.values())
        assert set.union(*splits.values()) == {"train", "validation", "test"}
    assert plan.notes == ("a note",)


def test_clips_may_be_split_one_by_one_or_not_at_all(folder: Path) -> None:
    plan = make_plan(options(folder, split_by="clip", seed=1), export("run", "walk", "jump"))
    per_video = [{clip.split for clip in unit.clips} for unit in plan.worker.stage.units.values()]
    assert any(len(splits) > 1 for splits in per_video)
    plan = make_plan(options(folder, test=0.0, validation=0.0), export("run"))
    assert {clip.split for unit in plan.worker.stage.units.values() for clip in unit.clips} == {""}


def test_splits_of_the_export_hold(folder: Path) -> None:
    plan = make_plan(options(folder), export("run", "walk", split="Training"))
    splits = {clip.split for unit in plan.worker.stage.units.values() for clip in unit.clips}
    assert splits == {"train", "validation"}  # there is no other test
    one, *others = export("run", split="train", groups=1).videos
    divided = AnnotationSet((AnnotatedVideo(one.name, one.annotations, split="test"), *others), (), ())
    with pytest.raises(InputError, match="divide 1 groups: 'person 0'"):
        make_plan(options(folder), divided)
    plan = make_plan(options(folder, split_by="clip"), divided)
    assert next(unit.clips[0].split for unit in plan.worker.stage.units.values()) == "test"


def test_an_export_may_divide_a_video_between_splits(folder: Path) -> None:
    """As FineGym's lists do; an annotation in both parts counts in the first."""
    train, test = (Annotation("run", FrameRange(0, 4), ""), Annotation("run", FrameRange(5, 9), ""))
    parts = (AnnotatedVideo("v0", (train,), split="train"), AnnotatedVideo("v0", (train, test), split="val"))
    divided = AnnotationSet(parts, (), ())
    with pytest.raises(InputError, match=r"divide 1 groups: 'v0'.* --split-by clip"):
        make_plan(options(folder), divided)
    (unit,) = make_plan(options(folder, split_by="clip"), divided).worker.stage.units.values()
    assert [(clip.id, clip.split) for clip in unit.clips] == [
        ("v0#0000", "train"),
        ("v0#0002", "validation"),
    ]


def test_splits_that_contradict_one_another_or_are_missing_are_told(folder: Path) -> None:
    first, second, *others = export("run", "walk", split="train").videos
    twice = AnnotatedVideo(first.name, (Annotation("sit", None, "line 9"),), split="val")
    without = AnnotatedVideo(second.name, second.annotations)
    exported = AnnotationSet((first, twice, without, *others), (), ())
    with pytest.raises(InputError, match="divide 1 groups: 'v0'"):
        make_plan(options(folder), exported)
    rows = [f"v{number},videos/v{number}.mp4,{'test' if number == 2 else ''}" for number in range(10)]
    (folder / "videos.csv").write_text("\n".join(["id,uri,split", *rows]))
    plan = make_plan(options(folder, videos=str(folder / "videos.csv"), split_by="clip"), exported)
    found = {
        (finding.code, finding.video): finding.message for finding in plan.findings if "split" in str(finding.code)
    }
    assert found == {
        (FindingCode.OTHER_SPLIT, "v0"): "the export has it in train and validation: each clip is in the split of its "
        "entry",
        (
            FindingCode.OTHER_SPLIT,
            "v2",
        ): "the export has it in train, the manifest of videos in test: the export counts",
        (FindingCode.NO_SPLIT, "v1"): "no split is named for 2 of its 2 clips, as for others: they are in no split",
    }
    units = plan.worker.stage.units
    assert [clip.split for clip in units["v0"].clips] == ["train", "train", "validation"]
    assert {clip.split for clip in units["v2"].clips} == {"train"}


def test_spellings_are_reported_or_merged(folder: Path) -> None:
    exported = export("run", "Run", "run")
    plan = make_plan(options(folder), exported)
    assert plan.classes == ("Run", "run")
    (finding,) = plan.findings
    assert finding.code == FindingCode.SPELLINGS
    assert finding.message.startswith("'Run' differs from 'run' by case or blanks alone, and is a class of its own")
    assert "--merge-spellings" in finding.message
    plan = make_plan(options(folder, merge_spellings=True), exported)
    assert plan.classes == ("run",)
    assert {label for unit in plan.worker.stage.units.values() for clip in unit.clips for label in clip.labels} == {
        "run"
    }


def test_all_problems_are_reported_at_once(folder: Path) -> None:
    with pytest.raises(InputError) as caught:
        make_plan(options(folder, tfrecords="https://host/records"), export("7", "a;b", split="holdout"))
    text = "\n".join(caught.value.problems)
    assert "cannot be written to" in text
    assert "class '7': digits alone" in text
    assert "class 'a;b': ; separates labels" in text
    assert "is in split 'holdout', which is none of train, validation and test" in text


def test_an_export_of_other_videos_names_both(folder: Path) -> None:
    exported = AnnotationSet((AnnotatedVideo("x.mp4", (Annotation("run", None, ""),)),), (), ())
    with pytest.raises(InputError, match=r"none of the 1 videos of export is among the 10 .* 'x.mp4'.* 'v0'"):
        make_plan(options(folder), exported)


@pytest.mark.parametrize("place", ["", "cut", "records"])
def test_the_vocabulary_of_another_data_set_is_not_replaced(folder: Path, place: str) -> None:
    (folder / place).mkdir(exist_ok=True)
    (folder / place / "vocabulary.csv").write_text('"index","name"\n0,"swim"\n')
    places = {"cut": "exact", "clips": str(folder / "cut"), "tfrecords": str(folder / "records")}
    for labels in (["run"], ["1", "2"]):
        with pytest.raises(InputError, match="'swim'"):
            make_plan(options(folder, **places), export(*labels))


def test_classes_that_are_numbers_are_indices(folder: Path) -> None:
    plan = make_plan(options(folder, tfrecords=str(folder / "records")), export("7", "012", "7"))
    assert plan.classes == ()
    assert plan.worker.stage.settings.classes == {"7": 7, "12": 12}
    labels = {label for unit in plan.worker.stage.units.values() for clip in unit.clips for label in clip.labels}
    assert labels == {"7", "12"}
    with pytest.raises(InputError, match="class '7': digits alone"):
        make_plan(options(folder), export("7", "run"))
    with pytest.raises(InputError, match=r"class '9{99}': digits alone"):
        make_plan(options(folder), export("9" * 99))


def test_parts_of_videos_and_files_in_several_rows_are_refused(folder: Path) -> None:
    rows = ["a,videos/v0.mp4,,", "b,videos/v0.mp4,,", "c,videos/v1.mp4,2,", "d,videos/v2.mp4,,9", "e,videos/v3.mp4,0,"]
    (folder / "videos.csv").write_text("\n".join(["id,uri,start_seconds,end_seconds", *rows]))
    with pytest.raises(InputError) as caught:
        make_plan(options(folder, videos=str(folder / "videos.csv")), export("run"))
    parts, shared = caught.value.problems
    assert "parts of videos of the rows 'c', 'd', but" in parts
    assert "leave these columns empty, or cut the parts into files first" in parts
    assert "several rows name the same file ('a' and 'b'): leave one row for each file" in shared


def test_classes_keep_the_exports_order(folder: Path) -> None:
    exported = export("run", "jump")
    ordered = AnnotationSet(exported.videos, ("walk", "run"), ())
    assert make_plan(options(folder), ordered).classes == ("walk", "run", "jump")

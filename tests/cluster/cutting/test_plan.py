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
    """As FineGym's lists do; an annotation in both parts is a clip of each."""
    train, test = (Annotation("run", FrameRange(0, 4), ""), Annotation("run", FrameRange(5, 9), ""))
    parts = (AnnotatedVideo("v0", (train,), split="train"), AnnotatedVideo("v0", (train, test), split="val"))
    divided = AnnotationSet(parts, (), ())
    with pytest.raises(InputError, match=r"divide 1 groups: 'v0'.* --split-by clip"):
        make_plan(options(folder), divided)
    (unit,) = make_plan(options(folder, split_by="clip"), divided).worker.stage.units.values()
    assert [(clip.id, clip.split) for clip in unit.clips] == [
        ("v0#0000", "train"),
        ("v0#0001", "validation"),
        ("v0#0002", "validation"),
    ]


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


def test_the_vocabulary_of_another_data_set_is_not_replaced(folder: Path) -> None:
    (folder / "vocabulary.csv").write_text('"index","name"\n0,"swim"\n')
    with pytest.raises(InputError, match="'swim'"):
        make_plan(options(folder), export("run"))


def test_classes_keep_the_exports_order(folder: Path) -> None:
    exported = export("run", "jump")
    ordered = AnnotationSet(exported.videos, ("walk", "run"), ())
    assert make_plan(options(folder), ordered).classes == ("walk", "run", "jump")

"""Annotations of one extent are one clip; ids count every annotation."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from cluster.cutting.unit import CuttingUnit, cutting_unit
from schemas.annotations import AnnotatedVideo, Annotation, FrameRange, TimeRange
from schemas.cuttings import FindingCode
from schemas.videos import Video

VIDEO = Video("a/b", "/videos/a/b.mp4", version="etag:1")
RANGE = FrameRange(0, 9)


def unit_of(*annotations: Annotation, group: str = "", video: Video = VIDEO, **spellings: str) -> CuttingUnit:
    return cutting_unit(video, [AnnotatedVideo("b.mp4", annotations, group=group)], spellings)


def test_labels_of_one_extent_are_one_clip() -> None:
    unit = unit_of(
        Annotation("CliffDiving", RANGE, "line 1"),
        Annotation("run", FrameRange(5, 9), "line 2"),
        Annotation("Diving", RANGE, "line 3"),
        Annotation("Diving", RANGE, "line 4"),
        Annotation("Diving", RANGE, "line 5", group="anna"),
        Annotation("", RANGE, "line 6"),
    )
    assert [(clip.id, clip.labels, clip.group) for clip in unit.clips] == [
        ("a/b#0000", ("CliffDiving", "Diving"), "a/b"),
        ("a/b#0001", ("run",), "a/b"),
        ("a/b#0004", ("Diving",), "anna"),
    ]
    assert unit.clips[0].sources == ("line 1", "line 3")
    assert [(finding.code, finding.label, finding.source) for finding in unit.findings] == [
        (FindingCode.DUPLICATE, "Diving", "line 4"),
        (FindingCode.NO_LABEL, "", "line 6"),
    ]


def test_an_annotation_without_a_label_is_told_wherever_it_stands() -> None:
    empty, named = Annotation("", RANGE, "line 1"), Annotation("run", RANGE, "line 2")
    for both, name in (((empty, named), "a/b#0001"), ((named, empty), "a/b#0000")):
        unit = unit_of(*both)
        assert [(clip.id, clip.labels, clip.sources) for clip in unit.clips] == [(name, ("run",), ("line 2",))]
        assert [finding.code for finding in unit.findings] == [FindingCode.NO_LABEL]


def test_a_clip_has_the_split_of_its_entry() -> None:
    def splits(*entries: str) -> list[str]:
        made = [
            AnnotatedVideo("b", (Annotation("run", FrameRange(0, at), ""),), split=name)
            for at, name in enumerate(entries)
        ]
        return [clip.split for clip in cutting_unit(replace(VIDEO, split="manifest"), made, {}).clips]

    assert splits("train", "test", "") == ["train", "test", "manifest"]
    assert splits("train", "") == ["train", "train"]


def test_the_nearest_group_counts() -> None:
    annotation = Annotation("run", RANGE, "")
    manifest = replace(VIDEO, group="day")
    assert unit_of(annotation, video=manifest).clips[0].group == "day"
    assert unit_of(annotation, group="house", video=manifest).clips[0].group == "house"
    assert unit_of(replace(annotation, group="anna"), group="house").clips[0].group == "anna"


def test_spellings_are_replaced() -> None:
    assert unit_of(Annotation("Run", RANGE, ""), Run="run").clips[0].labels == ("run",)


def test_files_depend_on_content_and_extents_alone() -> None:
    """Labels, splits, groups and places in the export are for rows, and for records, which hold them."""
    base = unit_of(Annotation("run", TimeRange(Fraction(1, 3), Fraction(2)), "line 1"))
    settings = {"crf": 1}
    same = [
        unit_of(Annotation("walk", TimeRange(Fraction(1, 3), Fraction(2)), "line 9", attributes=(("a", "b"),))),
        replace(base, clips=(replace(base.clips[0], split="test"),)),
        unit_of(Annotation("run", TimeRange(Fraction(1, 3), Fraction(2)), "", group="anna")),
        replace(base, video=replace(VIDEO, labels=("run",), split="train", group="day")),
    ]
    assert {one.cut_hash(settings) for one in same} == {base.cut_hash(settings)}
    assert len({base.record_hash(settings), *(one.record_hash(settings) for one in same[:3])}) == 4
    others = [
        base.cut_hash({"crf": 2}),
        unit_of(Annotation("run", TimeRange(Fraction(1, 3), Fraction(3)), "")).cut_hash(settings),
        unit_of(Annotation("run", None, "")).cut_hash(settings),
        replace(base, video=replace(VIDEO, version="etag:2")).cut_hash(settings),
    ]
    assert len({base.cut_hash(settings), *others}) == 5

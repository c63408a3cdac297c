"""Annotations of one extent are one clip; ids count every annotation."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from cluster.cutting.unit import CuttingUnit, cutting_unit
from schemas.annotations import AnnotatedVideo, Annotation, FrameRange, TimeRange
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
        ("a/b#0003", ("Diving",), "a/b"),  # twice the same, which the stage refuses
        ("a/b#0004", ("Diving",), "anna"),
        ("a/b#0005", (), "a/b"),
    ]
    assert unit.clips[0].sources == ("line 1", "line 3")


def test_the_nearest_group_counts() -> None:
    annotation = Annotation("run", RANGE, "")
    manifest = replace(VIDEO, group="day")
    assert unit_of(annotation, video=manifest).clips[0].group == "day"
    assert unit_of(annotation, group="house", video=manifest).clips[0].group == "house"
    assert unit_of(replace(annotation, group="anna"), group="house").clips[0].group == "anna"


def test_spellings_are_replaced() -> None:
    assert unit_of(Annotation("Run", RANGE, ""), Run="run").clips[0].labels == ("run",)


def test_the_fingerprint_follows_all_that_clips_depend_on() -> None:
    base = unit_of(Annotation("run", TimeRange(Fraction(1, 3), Fraction(2)), ""))
    same = unit_of(Annotation("run", TimeRange(Fraction(1, 3), Fraction(2)), ""))
    assert base.fingerprint({"crf": 1}) == same.fingerprint({"crf": 1})
    others = [
        base.fingerprint({"crf": 2}),
        unit_of(Annotation("run", TimeRange(Fraction(1, 3), Fraction(3)), "")).fingerprint({"crf": 1}),
        unit_of(Annotation("walk", TimeRange(Fraction(1, 3), Fraction(2)), "")).fingerprint({"crf": 1}),
        replace(base, video=replace(VIDEO, version="etag:2")).fingerprint({"crf": 1}),
        replace(base, clips=(replace(base.clips[0], split="test"),)).fingerprint({"crf": 1}),
    ]
    assert len({base.fingerprint({"crf": 1}), *others}) == 6

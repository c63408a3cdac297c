"""Rows are what was cut, with the labels of the annotations as they are now."""

from __future__ import annotations

from dataclasses import replace

from cluster.cutting.labelling import labelled, named
from cluster.cutting.unit import CuttingUnit, WantedClip
from schemas.cuttings import CutClip, CutVideo, Finding, FindingCode
from schemas.videos import Video

VIDEO = Video("a", "a.mp4")


def wanted(number: int, *labels: str, group: str = "anna", split: str = "train") -> WantedClip:
    return WantedClip(f"a#{number}", labels, None, group, (f"line {number}",), split)


def cut_of(*times: tuple[int, int], findings: tuple[Finding, ...] = ()) -> CutVideo:
    clips = tuple(
        CutClip(
            id=f"a#{number}", labels=(), start_microseconds=start, end_microseconds=end, frames=1, split="", group=""
        )
        for number, (start, end) in enumerate(times)
    )
    return CutVideo(
        frames=9,
        duration_seconds=9.0,
        rate=1.0,
        is_variable=False,
        clips=clips,
        findings=findings,
        records=(),
        bytes_written=0,
        seconds_by_stage={},
    )


def test_clips_have_labels_splits_and_groups_and_findings_their_annotation() -> None:
    outside = Finding(code=FindingCode.OUTSIDE, video="a", clip="a#1", message="m")
    damaged = Finding(code=FindingCode.DAMAGED, video="a", message="m")
    nameless = Finding(code=FindingCode.NO_LABEL, video="a", source="line 7", message="m")
    unit = CuttingUnit(VIDEO, (), (wanted(0, "run"), wanted(1, "walk", "sit")), (nameless,))
    cut = labelled(unit, cut_of((0, 9), findings=(outside, damaged)))
    (clip,) = cut.clips
    assert (clip.labels, clip.split, clip.group) == (("run",), "train", "anna")
    assert cut.findings == (replace(outside, label="walk; sit", source="line 1"), damaged, nameless)


def test_clips_of_the_same_frames_and_group_are_one() -> None:
    clips = (wanted(0, "run"), wanted(1, "run", "walk"), wanted(2, "walk"), wanted(3, "walk", group="ben"))
    cut = labelled(CuttingUnit(VIDEO, (), clips), cut_of((0, 9), (0, 9), (0, 9), (0, 9)))
    assert [(clip.id, clip.labels, clip.group) for clip in cut.clips] == [
        ("a#0", ("run", "walk"), "anna"),
        ("a#3", ("walk",), "ben"),
    ]
    duplicates = [finding for finding in cut.findings if finding.code == FindingCode.DUPLICATE]
    assert [(finding.label, finding.source) for finding in duplicates] == [("run", "line 1"), ("walk", "line 2")]
    assert [finding.code for finding in cut.findings][2:] == [FindingCode.NESTING]


def test_records_are_named_by_a_vocabulary() -> None:
    cut = cut_of((0, 9))
    cut = replace(cut, clips=(replace(cut.clips[0], labels=("1", "7", "run")),))
    assert named(("sit", "walk"), cut).clips[0].labels == ("walk", "7", "run")

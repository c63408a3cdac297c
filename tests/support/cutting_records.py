"""A record of cutting with its videos, for pages."""

from __future__ import annotations

from schemas.cuttings import CutClip, CuttingCounts, CuttingRecord, CutVideo, Finding, FindingCode, VideoCuts
from schemas.records import Machine
from schemas.runs import FailureNote


def cuts_of(name: str, *clips: tuple[str, float, float], seconds: float = 60.0) -> VideoCuts:
    """A recording with clips: label, start and end."""
    made = tuple(
        CutClip(
            id=f"{name}#{number:04}",
            labels=(label,),
            start_microseconds=int(start * 1e6),
            end_microseconds=int(end * 1e6),
            frames=5,
            split=("train", "validation", "test")[number % 3],
            group=name,
        )
        for number, (label, start, end) in enumerate(clips)
    )
    finding = Finding(
        code=FindingCode.OUTSIDE, video=name, label="run", source="list.csv, line 7", message="it lies outside"
    )
    cut = CutVideo(
        frames=int(seconds * 25),
        duration_seconds=seconds,
        rate=25.0,
        is_variable=True,
        clips=made,
        findings=(finding,),
        records=(),
        bytes_written=0,
        seconds_by_stage={},
    )
    return VideoCuts(id=name, uri=f"https://host/{name}.mp4", fingerprint="", cut=cut, failure=None)


def cutting_record(*cuts: VideoCuts, status: str = "completed", label: str = "") -> CuttingRecord:
    """The record of a run over these videos, one that failed, and one that is not there."""
    clips = [clip for one in cuts if one.cut for clip in one.cut.clips]
    counts: dict[str, int] = {}
    for clip in clips:
        counts[clip.labels[0]] = counts.get(clip.labels[0], 0) + 1
    note = FailureNote(id="broken", uri="https://host/b.mp4", stage="read", code="truncated", message="m", attempts=1)
    return CuttingRecord(
        run_id="20260101T000000-abcdef",
        job="cut_clips",
        status=status,
        started_at="2026-01-01T00:00:00Z",
        finished_at="2026-01-01T00:01:00Z",
        command=("jobs/cut_clips.py", "--annotations", "list.csv"),
        configuration={"annotations": "list.csv"},
        versions={"av": "18"},
        machine=Machine(engine="local", nodes=1, cpus=2, gpus=0),
        counts=CuttingCounts(
            videos_total=len(cuts) + 1,
            failed=1,
            shards=0,
            bytes_written=0,
            cut=len(cuts),
            clips=len(clips),
            refused=len(cuts) + 1,
            reported=1,
        ),
        source="list.csv",
        output="clips.csv",
        findings=(
            Finding(code=FindingCode.NO_VIDEO, video="missing.mp4", message="there is no video of that name"),
            Finding(code=FindingCode.SPELLINGS, video="", label=label or "Run", message="it differs by case"),
        ),
        notes=("files of another format are left out",),
        clips_by_class=counts,
        clips_by_split={"train": len(clips)},
        clip_seconds=sum(clip.end_microseconds - clip.start_microseconds for clip in clips) / 1e6,
        failures=(note,),
        failures_by_code={"truncated": 1},
        seconds_by_stage={"cut": 2.0, "list_frames": 0.5},
    )

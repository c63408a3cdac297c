"""Rows of cutting survive their JSON, and counts add up."""

from __future__ import annotations

import pytest

from schemas.cuttings import REFUSALS, CutClip, CuttingCounts, CutVideo, Finding, FindingCode, VideoCuts
from schemas.runs import FailureNote
from schemas.strict_json import JsonMismatchError


def test_cuts_of_a_video_read_back() -> None:
    clip = CutClip(
        id="a#0",
        labels=("läuft", "springt"),
        start_microseconds=1,
        end_microseconds=2,
        frames=1,
        split="",
        group="a",
        notes=("n",),
    )
    finding = Finding(code=FindingCode.OVERLAP, video="a", message="m")
    cut = CutVideo(
        frames=5,
        duration_seconds=0.2,
        rate=25.0,
        is_variable=True,
        clips=(clip,),
        findings=(finding,),
        records=("train/x.tfrecord",),
        bytes_written=7,
        seconds_by_stage={"cut": 0.5},
    )
    note = FailureNote(id="a", uri="a", stage="read", code="empty", message="m", attempts=1)
    for cuts in (
        VideoCuts(id="a", uri="u", fingerprint="f", cut=cut, failure=None),
        VideoCuts(id="a", uri="u", fingerprint="f", cut=None, failure=note),
    ):
        assert VideoCuts.from_json(cuts.to_json()) == cuts
    with pytest.raises(JsonMismatchError):
        VideoCuts.from_json('{"id": "a", "schema_version": 1}')


def test_a_refusal_is_told_from_an_oddity() -> None:
    refused = {code for code in FindingCode if Finding(code=code, video="", message="").is_refusal}
    assert refused == REFUSALS
    assert FindingCode.OVERLAP not in refused


def test_every_video_is_counted_once() -> None:
    counts = CuttingCounts(
        videos_total=9, failed=1, shards=0, bytes_written=0, cut=3, already_cut=2, failed_before=1, clips=40
    )
    assert (counts.processed, counts.unaccounted) == (4, 2)

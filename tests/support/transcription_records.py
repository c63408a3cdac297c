"""A record of a transcription run with known numbers."""

from __future__ import annotations

from schemas.records import Machine
from schemas.runs import FailureNote
from schemas.transcriptions import TranscriptionCounts, TranscriptionRecord

COUNTS = TranscriptionCounts(
    videos_total=9,
    already_done=2,
    failed_before=1,
    transcribed=4,
    failed=2,
    silent=1,
    partial=1,
    replaced=1,
    words=24,
    frames=300,
    shards=1,
    bytes_written=99,
)
RECORD = TranscriptionRecord(
    run_id="r1",
    job="transcribe_lips",
    status="completed",
    started_at="2026-03-01T02:00:00Z",
    finished_at="2026-03-01T02:00:30Z",
    command=("transcribe_lips.py",),
    configuration={"beam": 5},
    versions={"python": "3.12"},
    machine=Machine(engine="local", nodes=1, cpus=2, gpus=0),
    checkpoint="c",
    model="lipnet@ab",
    fingerprint={"decoder.beam": "5"},
    counts=COUNTS,
    failures=(FailureNote(id="a", uri="a.mp4", stage="decode", code="no_face", message="no face", attempts=1),),
    failures_by_code={"no_face": 2},
    seconds_by_stage={"faces": 1.5},
    vtt="subtitles",
)

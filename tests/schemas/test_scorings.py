from __future__ import annotations

import json
from dataclasses import replace

import pytest

from schemas.records import MAX_FAILURES, Machine
from schemas.scorings import SCORE_BINS, ScoredModel, ScoringCounts, ScoringRecord, UnreadableFile
from schemas.strict_json import JsonMismatchError

COUNTS = ScoringCounts(
    videos_total=11,
    already_labelled=3,
    failed_before=1,
    scored=5,
    failed=2,
    replaced=1,
    unlabelled=1,
    shards=2,
    bytes_written=99,
)
RECORD = ScoringRecord(
    run_id="r1",
    job="score_videos",
    status="completed",
    started_at="2026-03-01T02:00:00Z",
    finished_at="2026-03-01T02:00:30Z",
    command=("score_videos.py", "--top-k", "5"),
    configuration={"top_k": 5},
    versions={"python": "3.12"},
    date="2026-03-01",
    models=(ScoredModel(uri="c", model="dense-5", weights_sha256="ab", temperature=1.5),),
    label_fingerprint={"top_k": "5"},
    feature_fingerprint={"fps": "1"},
    machine=Machine(engine="local", nodes=1, cpus=2, gpus=0),
    counts=COUNTS,
    first_labels={"Game": 3, "Food": 1},
    first_scores=(0,) * (SCORE_BINS - 1) + (4,),
    failures=(UnreadableFile(uri="f.parquet", videos=2, message="damaged"),),
    submission=None,
    failures_by_code={"empty": 1},
    seconds_by_stage={"decode": 1.5},
)


def test_a_record_comes_back_as_it_was():
    assert ScoringRecord.from_json(RECORD.to_json()) == RECORD
    assert RECORD.wall_seconds == 30
    assert (COUNTS.processed, COUNTS.unaccounted) == (7, 0)


def test_what_no_record_can_be_is_refused_at_once():
    with pytest.raises(ValueError, match=r"status is 'odd'.*started_at.*bins in first_scores.*date is '1.3.2026'"):
        replace(RECORD, status="odd", first_scores=(1,), date="1.3.2026", started_at="today")
    with pytest.raises(ValueError, match="keep the first"):
        replace(RECORD, failures=RECORD.failures * (MAX_FAILURES + 1))
    with pytest.raises(ValueError, match="scored=-1"):
        replace(COUNTS, scored=-1)
    with pytest.raises(JsonMismatchError, match="did you mean 'counts'"):
        ScoringRecord.from_json(json.dumps({**json.loads(RECORD.to_json()), "count": 1}))

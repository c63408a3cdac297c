"""Extractions in this process, with random weights, and what their records say."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from cluster.extraction.config import ExtractionOptions
from schemas.runs import RunRecord

TINY = {"frames": 30, "width": 96, "height": 48}
HOLD = "import os, sys; from cluster.storage.lease import Lease; Lease(sys.argv[1], 'r0').acquire(); os._exit(0)"
WEIGHTS = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")


def config(source: Path | str, output: Path | str, **changes: object) -> ExtractionOptions:
    values = {**WEIGHTS, "engine": "local", "quiet": True, "segment_seconds": 1, **changes}
    return ExtractionOptions.of(input=str(source), output=str(output), **values)


def records(output: Path) -> list[RunRecord]:
    found = [RunRecord.from_json(file.read_text()) for file in (output / "runs").glob("*.json")]
    return sorted(found, key=lambda record: record.started_at)


def leave_as_killed(output: Path) -> None:
    """Leave a lease and an unfinished record in a dataset of one run, as another one that is killed does."""
    (whole,) = records(output)
    left = replace(whole, run_id="r0", status="running", started_at="2020-01-01T00:00:00Z")
    (output / "runs" / "r0.json").write_text(left.to_json())
    subprocess.run([sys.executable, "-c", HOLD, str(output / "lease.json")], check=True)


def account(record: RunRecord) -> tuple[int, int, int, int]:
    counts = record.counts
    assert counts.unaccounted == 0
    assert (record.status, sum(record.failures_by_code.values())) == ("completed", counts.failed)
    return counts.videos_total, counts.already_done, counts.extracted, counts.failed

"""Feature datasets to score, the job that scores, and what it leaves, read with pyarrow alone."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cluster.scoring.config import ScoringOptions
from schemas.ledger import LedgerRow, ledger_table
from schemas.scorings import ScoringRecord
from tests.support.dataset import ROOT, job_environment
from tests.support.features import feature_row, write_shard

DAY = "2026-03-01"


def write_features(
    root: Path, shards: Mapping[str, Sequence[int]], *, contents: Mapping[int, str] | None = None, frames: int = 0
) -> Path:
    """A feature dataset: videos by number in shards by name, with ledgers that know what they were made from."""
    for name, numbers in shards.items():
        rows = [feature_row(number, frames=frames + number % 3 if frames else 0) for number in numbers]
        write_shard(root / "features" / f"{name}.parquet", rows)
        known = [
            LedgerRow(row.id, row.uri, (contents or {}).get(number, "etag:1"))
            for row, number in zip(rows, numbers, strict=True)
        ]
        (root / "ledger").mkdir(exist_ok=True)
        pq.write_table(ledger_table(known), root / "ledger" / f"{name}.parquet")
    return root


def scoring_config(features: object, checkpoint: object, labels: object, **options: Any) -> ScoringOptions:
    """Options of a run in this process."""
    return ScoringOptions.of(
        features=(str(features),) if not isinstance(features, tuple) else features,
        checkpoint=(str(checkpoint),) if not isinstance(checkpoint, tuple) else checkpoint,
        labels=str(labels),
        **{"date": DAY, "engine": "local", "quiet": True, **options},
    )


def label_rows(root: Path, date: str = DAY) -> list[dict[str, Any]]:
    """All rows of a day, ordered by id, without what differs by run."""
    found = [row for path in sorted(root.glob(f"date={date}/*.parquet")) for row in pq.read_table(path).to_pylist()]
    kept = [{key: row[key] for key in ("id", "labels", "model")} for row in found]
    return sorted(kept, key=lambda row: str(row["id"]))


def label_ids(root: Path, date: str = DAY) -> list[str]:
    """The ids of a day, in order, with repetitions."""
    return [row["id"] for row in label_rows(root, date)]


def names(*numbers: int) -> list[str]:
    """The ids of videos."""
    return [f"v{number:05d}" for number in numbers]


def score_command(*arguments: object) -> list[str]:
    """The job as users give it, for the day of the tests."""
    return list(map(str, [sys.executable, ROOT / "jobs" / "score_videos.py", "--date", DAY, *arguments]))


def run_score_job(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The job's outcome."""
    command = score_command(*arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=job_environment())


def killed_at_the_first_shard(command: Sequence[str], labels: Path, number: int) -> int:
    """Start a job and send it a signal as soon as another label shard is there; its exit code."""
    before = set(labels.glob("date=*/part-*"))
    process = subprocess.Popen(command, env=job_environment())
    while process.poll() is None and set(labels.glob("date=*/part-*")) <= before:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.002)
    process.send_signal(number)
    return process.wait()


def scoring_records(labels: Path) -> list[ScoringRecord]:
    """The records of all runs."""
    return [ScoringRecord.from_json(path.read_text()) for path in (labels / "runs").glob("*.json")]

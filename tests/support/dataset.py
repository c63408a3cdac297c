"""Running the job as a user does, and reading what it wrote with pyarrow alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]
RANDOM_WEIGHTS = [
    "--weights",
    "random:0",
    "--pca",
    "random:0",
    "--audio-weights",
    "random:0",
    "--audio-pca",
    "random:0",
]  # fmt: skip


def job_command(source: Path | str, output: Path | str, *options: str) -> list[str]:
    """The command line of an extraction with seeded weights."""
    job = str(ROOT / "jobs" / "extract_features.py")
    return [sys.executable, job, "--input", str(source), "--output", str(output), *RANDOM_WEIGHTS, *options]


def run_job(
    source: Path | str, output: Path | str, *options: str, timeout_seconds: float = 400
) -> subprocess.CompletedProcess[str]:
    """Run an extraction to its end; its output is text."""
    command = job_command(source, output, *options)
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        cwd=output.parent if isinstance(output, Path) else None,
        env=job_environment(),
    )


def job_environment() -> dict[str, str]:
    """This process's environment, less what would point a job at somebody's cluster."""
    return {key: value for key, value in os.environ.items() if key not in ("RAY_ADDRESS", "RAY_JOB_ID")}


def messages(log: str) -> str:
    """The messages of a JSON log, one a line; a line of anybody else, such as a library's warning, is an error."""
    return "\n".join(json.loads(line).get("message", "") for line in log.splitlines())


def rows(output: Path, folder: str = "features") -> list[dict[str, object]]:
    """All rows of a dataset's folder, ordered by id."""
    found = [row for file in sorted((output / folder).glob("*.parquet")) for row in pq.read_table(file).to_pylist()]
    return sorted(found, key=lambda row: str(row["id"]))


def ids(output: Path, folder: str = "features") -> list[str]:
    """The ids in a dataset's folder, in order, with repetitions."""
    return [str(row["id"]) for row in rows(output, folder)]

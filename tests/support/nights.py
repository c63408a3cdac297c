"""Records of nights with known numbers, and what a night that was killed leaves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.label_statistics import CONFIDENCE_BINS, ClassCount, ClassDrift, LabelledVideo, LabelStatistics
from schemas.nights import NightCost, NightCounts, NightRecord, NightRun
from schemas.records import Machine
from schemas.runs import FailureNote
from tests.support.dataset import ROOT

MODEL = "logistic@0123456789ab"
DIE_WITH_LEASE = (
    "import os, sys; from cluster.storage.lease import Lease; Lease(sys.argv[1], 'r0').acquire(); os._exit(0)"
)


def labels_of(
    firsts: Mapping[str, int], *, unlabelled: int = 0, shown: Sequence[LabelledVideo] = ()
) -> LabelStatistics:
    """Statistics in which each class, by its name, is the top label of some videos; indices follow the alphabet."""
    labelled = sum(firsts.values())
    confidences = [0] * CONFIDENCE_BINS
    confidences[CONFIDENCE_BINS // 2] = labelled
    return LabelStatistics(
        videos=labelled + unlabelled,
        unlabelled=unlabelled,
        sure_from=0.5,
        mean_score=0.52 if labelled else 0.0,
        classes=tuple(
            ClassCount(index=ord(name[0]), name=name, first=count, sure=count // 2, mean_score=0.25)
            for name, count in sorted(firsts.items())
        ),
        confidences=tuple(confidences),
        least_sure=tuple(shown),
        samples=tuple(shown),
    )


def run_of(**changes: Any) -> NightRun:
    """One run of a night."""
    values: dict[str, Any] = {
        "run_id": "20260301T020000-abcdef",
        "status": "completed",
        "problem": "",
        "started_at": "2026-03-01T02:00:00Z",
        "finished_at": "2026-03-01T02:10:00Z",
        "command": ("python", "jobs/nightly.py", "--videos", "my videos"),
        "extraction_run": "20260301T020001-aaaaaa",
        "scoring_run": "20260301T020800-bbbbbb",
        "machine": Machine(engine="local", nodes=1, cpus=2, gpus=0),
        "counts": NightCounts(new=8, changed=2, extracted=9, failed=1, labelled=9),
        "cost": NightCost(
            extraction_seconds=480.0,
            scoring_seconds=20.0,
            held_core_seconds=1000.0,
            used_core_seconds=800.0,
            bytes_read=5_000_000,
            bytes_written=40_000,
        ),
        "failures_by_code": {"truncated": 1},
    }
    return NightRun(**{**values, **changes})


def night_of(date: str = "2026-03-01", labels: LabelStatistics | None = None, **changes: Any) -> NightRecord:
    """The record of a day."""
    note = FailureNote(id="bad", uri="in/bad.mp4", stage="decode", code="truncated", message="cut short", attempts=1)
    values: dict[str, Any] = {
        "date": date,
        "model": MODEL,
        "checkpoint": ("classifier",),
        "fingerprint": {"sampling.fps": "1"},
        "weights_warning": None,
        "configuration": {"videos": "my videos", "top_k": 20},
        "versions": {"python": "3.11"},
        "runs": (run_of(),),
        "failures": (note,),
        "labels": labels,
        "drift": None,
    }
    return NightRecord(**{**values, **changes})


def drift_row(name: str, **changes: float) -> ClassDrift:
    """The drift of one class, whose index is its letter."""
    values = {"count": 30, "expected": 20.0, "share": 0.3, "share_before": 0.2, "error": 0.03}
    return ClassDrift(index=ord(name), name=name, **{**values, **changes})


def die_with_lease(path: Path) -> None:
    """A process that dies while it holds a lease."""
    subprocess.run([sys.executable, "-c", DIE_WITH_LEASE, str(path)], check=True, cwd=ROOT)

"""An interrupted run keeps what it has, says so on its page, and writes no manifest."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from cluster.cutting import run as run_module
from cluster.cutting.job import cut_clips
from tests.support.cut_runs import cutting_options, rows, write_inputs


def test_an_interrupted_run_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = write_inputs(tmp_path)
    output = tmp_path / "output"
    taken = run_module.CuttingRun._taken

    def interrupted(self, outcome):
        cuts = taken(self, outcome)
        if cuts.cut is not None:
            os.kill(os.getpid(), signal.SIGINT)
        return cuts

    signal.signal(signal.SIGINT, signal.default_int_handler)  # processes in the background ignore it
    with monkeypatch.context() as patched:
        patched.setattr(run_module.CuttingRun, "_taken", interrupted)
        record = cut_clips(cutting_options(inputs, output))
    assert record.status == "interrupted"
    assert (record.counts.cut, record.counts.unaccounted) == (1, 2)
    assert not (output / "clips.csv").exists()
    assert "Cutting was interrupted" in (output / "annotations.html").read_text()
    record = cut_clips(cutting_options(inputs, output))
    assert record.status == "completed"
    assert (record.counts.cut, record.counts.already_cut, record.counts.failed) == (1, 1, 1)
    assert len(rows(output / "clips.csv")) == 5
    assert {row["uri"] for row in rows(output / "clips.csv")} == {
        str(inputs / "videos" / name) for name in ("anna.mp4", "ben.mkv")
    }

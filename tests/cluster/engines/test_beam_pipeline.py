"""The pipeline alone, on Beam's runner in this process."""

from __future__ import annotations

from pathlib import Path

from cluster.engines import beam_pipeline
from cluster.engines.beam_staging import Staging
from tests.support.beam import IN_ONE_PROCESS, batches, pipeline_config


def test_all_tasks_of_all_files_and_the_segments_that_follow_are_carried_out(tmp_path: Path) -> None:
    staging = Staging(f"{tmp_path}/staging")
    config = pipeline_config(staging, ["sleep 0", "segments 3", "sleep 1", "damaged 2", "sleep 2"], IN_ONE_PROCESS)
    assert beam_pipeline._pipeline(config).run().wait_until_finish() == "DONE"
    keys = sorted(key for batch in batches(staging) for key in batch.keys)
    assert keys == [
        *["0 0 sleep 0", "0 1 segments 3", "0 2 sleep 1", "0 3 damaged 2", "0 4 sleep 2"],
        *["1 1 segments 3", "1 3 damaged 2", "2 1 segments 3"],
    ]

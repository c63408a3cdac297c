"""What the worker processes of a pipeline print."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from cluster.engines.beam_config import PipelineConfig
from cluster.engines.beam_process import PipelineProcess
from cluster.engines.beam_staging import Staging
from cluster.engines.portion_queue import PortionQueue
from tests.support.beam import IN_TWO_WORKERS, batches, bundle_config, pipeline_config
from tests.support.items import ItemWorker, UnreadableItem


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(f"{tmp_path}/staging")


def run(config: PipelineConfig) -> str:
    """The error that a pipeline ends with."""
    with closing(PipelineProcess(config)) as pipeline:
        return pipeline.error()


def test_workers_print_nothing(staging: Staging, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(pipeline_config(staging, ["sleep 1", "segments 3"], IN_TWO_WORKERS)) == ""
    assert sum(len(batch.keys) for batch in batches(staging)) == 4
    assert capfd.readouterr() == ("", "")


def test_what_goes_wrong_in_them_is_printed(staging: Staging, capfd: pytest.CaptureFixture[str]) -> None:
    tasks = (staging.write_pickle([UnreadableItem(1)]),)
    config = bundle_config(staging, ItemWorker(), PortionQueue([]))
    assert "no room for it" in run(PipelineConfig(IN_TWO_WORKERS, tasks, config))
    assert "no room for it" in capfd.readouterr().err

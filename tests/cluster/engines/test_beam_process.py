"""Processes of pipelines, which end, are killed and are cancelled."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cluster.engines.beam_process import PipelineProcess
from cluster.engines.beam_staging import Staging
from tests.support.beam import IN_ONE_PROCESS, IN_TWO_WORKERS, batches, pipeline_config
from tests.support.clusters import command_of, descendants


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(f"{tmp_path}/staging")


def wait_until(condition: Callable[[], object], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def workers() -> list[int]:
    """Beam's worker processes below this one."""
    return [process for process in descendants(os.getpid()) if "beam_worker" in command_of(process)]


def test_a_pipeline_that_is_done_ends_without_an_error(staging: Staging) -> None:
    with closing(PipelineProcess(pipeline_config(staging, ["sleep 1"], IN_ONE_PROCESS))) as pipeline:
        wait_until(lambda: not pipeline.is_running)
        assert pipeline.error() == ""
        assert not pipeline.is_refused
    assert [batch.keys for batch in batches(staging)] == [("0 0 sleep 1",)]


@pytest.mark.parametrize("option", ["--runner=Walker", "--direct_num_workers=many"])
def test_options_that_beam_does_not_take_are_refused(staging: Staging, option: str) -> None:
    with closing(PipelineProcess(pipeline_config(staging, ["sleep 1"], [option]))) as pipeline:
        wait_until(lambda: not pipeline.is_running)
        assert pipeline.is_refused


@pytest.mark.heavy
def test_the_loss_of_a_worker_ends_it_at_once(staging: Staging) -> None:
    scripts = ["sleep 0", "sleep 600000", "sleep 0", "sleep 600000"]
    with closing(PipelineProcess(pipeline_config(staging, scripts, IN_TWO_WORKERS))) as pipeline:
        wait_until(lambda: [process for process in workers() if "/sh" not in command_of(process)])
        os.kill(max(workers()), signal.SIGKILL)
        wait_until(lambda: not pipeline.is_running)
        assert pipeline.error() == "Worker subprocess exited with return code 137"
    wait_until(lambda: not workers())


def test_a_process_that_is_killed_says_nothing(staging: Staging) -> None:
    with closing(PipelineProcess(pipeline_config(staging, ["sleep 600000"], IN_ONE_PROCESS))) as pipeline:
        os.kill(pipeline._process.pid, signal.SIGKILL)
        assert pipeline.error() == "its process has ended with exit code -9"


@pytest.mark.heavy
def test_one_that_is_no_longer_wanted_ends_with_its_workers_and_their_tasks(staging: Staging) -> None:
    with closing(PipelineProcess(pipeline_config(staging, ["sleep 600000"] * 2, IN_TWO_WORKERS))) as pipeline:
        wait_until(lambda: [one for one in descendants(os.getpid()) if "engines.task_process" in command_of(one)])
        below = descendants(pipeline._process.pid)
    assert not pipeline.is_running
    wait_until(lambda: not any(map(command_of, below)))

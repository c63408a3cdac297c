"""Machines and processes of a real cluster are lost in mid-run: nothing is lost with them, nothing stands twice."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from schemas.runs import RunRecord
from tests.support.clusters import Nodes, command_of, running_cluster
from tests.support.dataset import ids, job_command, job_environment, rows, run_job
from tests.support.videos import Clip, write_video

VIDEOS = 8
OPTIONS = ("--rows-per-shard", "1", "--frame-features", "--segment-seconds", "10", "--max-failure-ratio", "0.2")
pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A long video of six segments, shorter ones of two, and one that is none."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "0-long.mp4", Clip(frames=480, rate=8, gop=16, width=160, height=96))
    for number in range(1, VIDEOS):
        clip = Clip(frames=96 + 8 * (number % 5), rate=8, gop=16, sound="aac", width=160, height=96)
        write_video(folder / f"{number:02d}.mp4", clip)
    (folder / "text.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def reference(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run without trouble makes of them."""
    output = tmp_path_factory.mktemp("reference") / "out"
    done = run_job(videos, output, "--engine", "local", *OPTIONS)
    assert done.returncode == 0, done.stderr
    return output


@contextmanager
def job(videos: Path, output: Path, nodes: Nodes, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The job, running on a cluster."""
    command = job_command(videos, output, "--address", nodes.address, *OPTIONS, *options)
    process = subprocess.Popen(command, env=job_environment(), stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def finish(process: subprocess.Popen[str]) -> str:
    """What the job says until it has ended well."""
    said = process.communicate(timeout=400)[1]
    assert process.returncode == 0, said
    return said


def until(condition: Callable[[], Any], process: subprocess.Popen[str], timeout_seconds: float = 120.0) -> Any:
    """What `condition` gives as soon as that is something, while the job goes on."""
    deadline = time.monotonic() + timeout_seconds
    while not (found := condition()):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def committed(output: Path) -> int:
    """How many rows can be seen."""
    return len(ids(output)) if (output / "features").is_dir() else 0


def working(nodes: Nodes, node: Any) -> list[int]:
    """Workers of a node that have a task in hand this moment."""
    return [pid for pid in nodes.processes(node, "WorkerActor") if "WorkerActor.work" in command_of(pid)]


def check(output: Path, reference: Path) -> RunRecord:
    """Every id once, the same rows as ever, nothing half done; the newest run's record."""
    assert rows(output) == rows(reference)
    assert ids(output, "failures") == ids(reference, "failures") == ["text"]
    assert not [path for path in output.rglob("*") if path.name.startswith(".")]
    newest = max((output / "runs").glob("*.json"), key=lambda path: path.name)
    return RunRecord.from_json(newest.read_text())


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_a_machine_that_is_lost_costs_no_video_a_second_chance(
    how: str, videos: Path, reference: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with running_cluster() as nodes:
        node, _ = nodes.add(), nodes.add()
        with job(videos, output, nodes) as process:
            until(lambda: working(nodes, node), process)
            getattr(nodes, how)(node)
            said = finish(process)
    record = check(output, reference)
    counts = record.counts
    assert (counts.extracted, counts.failed, counts.retried) == (VIDEOS, 1, 0)
    assert counts.nodes_lost == 1
    assert 1 <= counts.workers_lost <= 2, "its worker, and at most one that was sent there before it was missed"
    assert "the machine has gone; " in said


def test_a_machine_that_is_added_is_put_to_work(videos: Path, reference: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with running_cluster() as nodes:
        first = nodes.add()
        with job(videos, output, nodes) as process:
            worker, *_ = until(lambda: working(nodes, first), process)
            os.kill(worker, signal.SIGSTOP)  # so that there is work left when the second is up
            second = nodes.add()
            until(lambda: working(nodes, second), process)
            nodes.kill(first)
            finish(process)
    record = check(output, reference)
    assert (record.counts.extracted, record.counts.retried, record.counts.nodes_lost) == (VIDEOS, 0, 1)


def test_a_machine_with_notice_finishes_what_it_has_and_gets_no_more(
    videos: Path, reference: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with running_cluster() as nodes:
        node, _ = nodes.add(), nodes.add()
        with job(videos, output, nodes) as process:
            until(lambda: working(nodes, node), process)
            nodes.announce_preemption(node, 120)
            until(lambda: not nodes.processes(node, "WorkerActor"), process)
            finish(process)
    counts = check(output, reference).counts
    assert (counts.extracted, counts.retried, counts.workers_lost, counts.nodes_lost) == (VIDEOS, 0, 0, 1)


def test_a_machine_that_goes_before_its_notice_is_up_costs_nothing_either(
    videos: Path, reference: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with running_cluster() as nodes:
        node, _ = nodes.add(), nodes.add()
        with job(videos, output, nodes) as process:
            (worker,) = until(lambda: working(nodes, node), process)
            nodes.announce_preemption(node, 2)
            time.sleep(1.0)
            with suppress(ProcessLookupError):  # it may have finished
                os.kill(worker, signal.SIGKILL)  # a machine's processes end before the machine is missed
            nodes.kill(node)
            finish(process)
    counts = check(output, reference).counts
    assert (counts.extracted, counts.retried, counts.nodes_lost) == (VIDEOS, 0, 1)


def test_a_process_that_dies_is_replaced_and_its_video_tried_again(
    videos: Path, reference: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with running_cluster() as nodes:
        node, _ = nodes.add(), nodes.add()
        with job(videos, output, nodes) as process:
            (worker,) = until(lambda: working(nodes, node), process)
            os.kill(worker, signal.SIGKILL)
            until(lambda: working(nodes, node), process)
            finish(process)
    counts = check(output, reference).counts
    assert (counts.extracted, counts.retried, counts.workers_lost, counts.nodes_lost) == (VIDEOS, 1, 1, 0)


def test_a_cluster_without_machines_ends_the_run_and_the_next_goes_on(
    videos: Path, reference: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    with running_cluster() as nodes:
        node = nodes.add()
        with job(videos, output, nodes, "--cluster-wait", "4") as process:
            until(lambda: committed(output) >= 2, process)
            nodes.kill(node)
            said = process.communicate(timeout=200)[1]
        assert process.returncode == 1
        assert "the cluster has no free CPU core, there is none" in said
        before = committed(output)
        nodes.add()
        with job(videos, output, nodes) as process:
            finish(process)
    record = check(output, reference)
    assert record.counts.extracted == VIDEOS - before


def test_an_embedder_whose_machine_is_lost_is_started_on_another(videos: Path, reference: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    with running_cluster() as nodes:
        three = [nodes.add() for _ in range(3)]
        with job(videos, output, nodes, "--pools", "apart") as process:
            until(lambda: committed(output) >= 1, process)
            (node,) = [node for node in three if nodes.processes(node, "EmbedderActor")]
            nodes.kill(node)
            finish(process)
    counts = check(output, reference).counts
    assert (counts.extracted, counts.failed) == (VIDEOS, 1)

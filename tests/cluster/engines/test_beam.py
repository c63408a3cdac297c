"""Real pipelines on Beam's local runner: what becomes of tasks that fail, and of processes that are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from cluster.engines.base import EngineError
from cluster.engines.beam import BeamEngine, _Run
from cluster.engines.beam_bundle import OutcomeBatch
from cluster.engines.beam_groups import OutcomeGroups
from cluster.engines.beam_staging import Staging
from cluster.engines.options import EngineOptions
from cluster.engines.portion_queue import PortionQueue
from cluster.engines.tasks import Done, Outcome, TaskQueue
from cluster.engines.wire import pack
from cluster.storage import files
from schemas.videos import Video
from tests.support.clusters import command_of, descendants
from tests.support.dataset import ROOT
from tests.support.items import Item, ItemWorker, ScriptedWorker, UnreadableItem

OPTIONS = EngineOptions(engine="beam", workers=2)
ONE_PROCESS = EngineOptions(engine="beam", beam_options=("runner=FnApiRunner",))
# Prints the ids of videos that are done, in place of committing them.
DRIVER = """
import sys
from tests.cluster.engines.test_beam import OPTIONS, BeamEngine, ScriptedWorker, queue_of
staging, *scripts = sys.argv[1:]
for outcome in BeamEngine(OPTIONS, staging).run(queue_of(scripts), ScriptedWorker()):
    print(outcome.task.video.id, flush=True)
"""


@pytest.fixture
def staging(tmp_path: Path) -> Path:
    return tmp_path / "staging"


@pytest.fixture
def engine(staging: Path) -> BeamEngine:
    return BeamEngine(OPTIONS, str(staging))


def videos_of(scripts: Iterable[str]) -> list[Video]:
    """Videos of `ScriptedWorker`."""
    return [Video(f"{number} {script}", script) for number, script in enumerate(scripts)]


def queue_of(scripts: Iterable[str]) -> TaskQueue:
    return TaskQueue(videos_of(scripts), backoff_seconds=(0.1, 0.1))


def endings(outcomes: Iterable[Outcome]) -> Counter[tuple[str, str, int]]:
    """How often the tasks of each script ended in which way, with which attempt."""
    return Counter(
        (outcome.task.video.uri, "done" if isinstance(outcome, Done) else outcome.code, outcome.task.attempt)
        for outcome in outcomes
    )


def worker_processes() -> list[int]:
    """Beam's, of pipelines that this process runs."""
    commands = {process: command_of(process) for process in descendants(os.getpid())}
    return [process for process, command in commands.items() if "beam_worker" in command and "/sh" not in command]


def test_one_pipeline_does_it_all_and_outcomes_come_while_it_runs(
    engine: BeamEngine, staging: Path, caplog: pytest.LogCaptureFixture
) -> None:
    queue = queue_of(
        ["segments 5", "die 1", "die 2", "busy 2", "busy 9", "damaged 2", "damaged 9", *["sleep 300"] * 24]
    )
    run = engine.run(queue, ScriptedWorker())
    outcomes = [next(run)]
    assert len(worker_processes()) == 2
    assert len(list(staging.iterdir())) == 1
    outcomes += run
    assert endings(outcomes) == {
        ("segments 5", "done", 1): 5,
        ("die 1", "done", 2): 1,
        ("die 2", "worker_died", 2): 1,
        ("busy 2", "done", 3): 1,
        ("busy 9", "storage", 3): 1,
        ("damaged 2", "done", 1): 1,
        ("damaged 2", "damaged", 1): 1,  # a gap
        ("damaged 9", "done", 1): 1,
        ("damaged 9", "damaged", 1): 5,  # with the fifth it is given up
        ("sleep 300", "done", 1): 24,
    }
    assert len({outcome.task.key for outcome in outcomes}) == len(outcomes)
    assert queue.is_over
    assert queue.retried == {"1 die 1", "2 die 2", "3 busy 2", "4 busy 9"}
    assert (queue.workers_lost, queue.nodes_lost) == (3, set())
    assert "a pipeline has ended early" not in caplog.text
    assert not worker_processes()
    assert not staging.exists()


@pytest.mark.heavy
def test_a_worker_process_that_is_killed_costs_nothing(engine: BeamEngine, caplog: pytest.LogCaptureFixture) -> None:
    queue = queue_of(["segments 3", *["sleep 300"] * 24])
    run = engine.run(queue, ScriptedWorker())
    outcomes = [next(run)]
    os.kill(worker_processes()[0], signal.SIGKILL)
    outcomes += run
    assert endings(outcomes) == {("segments 3", "done", 1): 3, ("sleep 300", "done", 1): 24}
    assert len({outcome.task.key for outcome in outcomes}) == len(outcomes)
    assert queue.is_over
    assert queue.workers_lost == 1
    assert caplog.text.count("a pipeline has ended early") == 1


@pytest.mark.parametrize("is_late", [False, True], ids=["in one listing", "the first link in the next"])
def test_outcomes_of_a_chain_are_settled_in_whatever_order_they_are_listed(staging: Path, is_late: bool) -> None:
    videos, worker = [Video("v", "chain 7")], ScriptedWorker()
    links, chain = [], TaskQueue(videos)
    while (task := chain.take()) is not None:
        links.append(worker(task))
        chain.settle(links[-1])
    assert len(links) == 7
    place, queue = Staging(str(staging)), TaskQueue(videos)
    with closing(OutcomeGroups()) as groups:
        run = _Run(queue, worker, place, groups, ())
        assert run._take_tasks()
        listings = [links[:1:-1], [*links[:2], links[4]]] if is_late else [links[::-1]]  # one of them repeated
        found: list[Outcome] = []
        for listing in [*listings, []]:
            for number, link in enumerate(listing):
                batch = OutcomeBatch((link.task.key,), (pack(link),))
                files.write_bytes(files.join(place.uri, "outcomes", f"{number}"), pack(batch))
            found += run._take_outcomes()
    assert [outcome.task.key for outcome in found] == [f"{index} v" for index in range(7)]
    assert queue.is_over


@pytest.mark.heavy
def test_a_driver_that_is_killed_leaves_nothing_that_disturbs_the_next_run(engine: BeamEngine, staging: Path) -> None:
    scripts = ["sleep 300"] * 24
    command = [sys.executable, "-c", DRIVER, str(staging), *scripts]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        committed = [driver.stdout.readline().strip()]
        workers = descendants(driver.pid)
        driver.kill()
        committed += driver.stdout.read().split("\n")[:-1]
    assert staging.exists()
    left = [video for video in videos_of(scripts) if video.id not in committed]
    assert 0 < len(left) < len(scripts)
    outcomes = list(engine.run(TaskQueue(left), ScriptedWorker()))
    assert sorted(outcome.task.video.id for outcome in outcomes) == sorted(video.id for video in left)
    assert not staging.exists()
    assert not [process for process in workers if "python" in command_of(process)]


def test_pipelines_that_end_without_an_outcome_end_the_run(staging: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = BeamEngine(ONE_PROCESS, str(staging))
    with pytest.raises(EngineError, match=r"(?s)3 pipelines in a row .*no room for it.*What is committed stays: fix"):
        list(engine.run(PortionQueue([UnreadableItem(1)]), ItemWorker()))
    assert caplog.text.count("a pipeline has ended early") == 2
    assert not staging.exists()


def test_a_worker_that_cannot_start_ends_the_run_with_the_reason(staging: Path) -> None:
    engine = BeamEngine(ONE_PROCESS, str(staging))
    with pytest.raises(EngineError, match=r"(?s)3 workers in a row could not start: .*no room for it"):
        list(engine.run(PortionQueue([Item(1)]), ItemWorker("raise")))


def test_a_runner_that_does_not_exist_is_refused(staging: Path) -> None:
    engine = BeamEngine(EngineOptions(engine="beam", beam_options=("runner=Walker",)), str(staging))
    with pytest.raises(EngineError, match=r"Beam refuses these --beam-options: .*Walker"):
        list(engine.run(queue_of(["sleep 1"]), ScriptedWorker()))


def test_the_staging_folder_of_a_concurrent_run_stays(staging: Path, engine: BeamEngine) -> None:
    (staging / "run").mkdir(parents=True)
    engine.close()
    assert (staging / "run").exists()

"""An engine that starts with its first work, and not before."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing

import pytest

from cluster.engines.base import ONE_CORE, usable_cores
from cluster.engines.deferred import DeferredEngine
from cluster.engines.local import LocalEngine
from cluster.engines.options import EngineOptions
from cluster.engines.portion_queue import PortionQueue
from cluster.engines.task_process import MODULE
from cluster.engines.tasks import Done, TaskQueue
from schemas.records import Machine
from schemas.videos import Video
from tests.support.clusters import command_of, descendants
from tests.support.dataset import ROOT, job_environment
from tests.support.engines import refuse_engine
from tests.support.items import Item, ItemWorker, ScriptedWorker

RAY_UNDER_TERMINABLE = """
import signal, sys
begins = sys.argv[1] == "begins"
from cluster.engines.deferred import DeferredEngine
from cluster.engines.options import EngineOptions
from cluster.runs.lifecycle import terminable
engine = DeferredEngine(EngineOptions())
with terminable():
    mine = signal.getsignal(signal.SIGTERM)
    if begins:
        engine.begin(())
    before = engine.machine()
    assert engine.on_gpus is False
    assert begins or "ray" not in sys.modules
    after = engine.started().machine()
    assert signal.getsignal(signal.SIGTERM) is mine
engine.close()
print(before.cpus, after.cpus > 0, after.engine)
"""


def test_it_has_no_machine_before_it_has_work():
    engine = DeferredEngine(EngineOptions(engine="local"))
    assert engine.machine() == Machine(engine="local", nodes=0, cpus=0, gpus=0)
    assert not engine.on_gpus
    outcomes = list(engine.run(PortionQueue([Item(0)]), ItemWorker()))
    assert [outcome.text for outcome in outcomes] == ["0"]
    assert (engine.machine(ONE_CORE).nodes, engine.started() is engine.started()) == (1, True)
    engine.close()


def test_closing_what_has_not_started_starts_nothing():
    DeferredEngine(EngineOptions(address="127.0.0.1:1")).close()


def test_gpus_of_this_machine_are_known_without_a_cluster(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.engines.deferred.gpu_count", lambda: 2)
    engine = DeferredEngine(EngineOptions())
    assert engine.on_gpus
    expected = engine.expected_machine()
    assert (expected.nodes, expected.cpus, expected.gpus) == (1, usable_cores(), 2)
    assert engine.machine().nodes == 0


def test_only_the_cluster_knows_whether_it_has_gpus():
    assert DeferredEngine(EngineOptions(address="127.0.0.1:1")).on_gpus is None


@pytest.mark.parametrize("begins", ["begins", "starts"])
def test_ray_leaves_the_handler_of_sigterm_alone(begins):
    done = subprocess.run(
        [sys.executable, "-c", RAY_UNDER_TERMINABLE, begins],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env=job_environment(),
    )
    assert (done.stdout, done.stderr) == ("0 True ray\n", "")


def children() -> set[int]:
    return {pid for pid in descendants(os.getpid()) if MODULE in command_of(pid)}


def test_the_child_of_the_local_engine_starts_ahead_and_imports():
    before = children()
    with closing(DeferredEngine(EngineOptions(engine="local"))) as engine:
        engine.begin(("tests.support.items", "none.such"))
        (child,) = children() - before
        outcomes = list(engine.run(TaskQueue([Video("a", "segments 1")]), ScriptedWorker()))
        assert [type(outcome) for outcome in outcomes] == [Done]
    assert not command_of(child)


def test_a_child_that_nobody_needed_ends_with_its_engine():
    before = children()
    with closing(DeferredEngine(EngineOptions(engine="local"))) as engine:
        engine.begin(())
        assert len(children() - before) == 1
    assert children() <= before


def test_it_begins_once(monkeypatch):
    before = children()
    with closing(DeferredEngine(EngineOptions(engine="local"))) as engine:
        engine.begin(())
        engine.begin(())
        assert len(children() - before) == 1
    assert children() <= before
    starts = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.engines.deferred.make_engine", lambda *_: starts.append(1) or LocalEngine(1))
    with closing(DeferredEngine(EngineOptions())) as engine:
        engine.begin(())
        engine.begin(())
        engine.started()
        engine.begin(())
    assert starts == [1]


def test_what_went_wrong_in_a_start_that_has_begun_is_told_when_it_is_needed(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("cluster.engines.deferred.make_engine", refuse_engine)
    with closing(DeferredEngine(EngineOptions())) as engine:
        engine.begin(())
        with pytest.raises(AssertionError, match="an engine was started"):
            engine.started()
    with closing(DeferredEngine(EngineOptions())) as engine:
        engine.begin(())


@pytest.mark.parametrize("name", ["local", "beam"])
def test_only_ray_has_gpus_for_networks(name, monkeypatch):
    monkeypatch.setattr("cluster.engines.deferred.gpu_count", lambda: 2)
    assert not DeferredEngine(EngineOptions(engine=name)).on_gpus

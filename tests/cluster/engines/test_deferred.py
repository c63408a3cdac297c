"""An engine that starts with its first work, and not before."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from cluster.engines.base import ONE_CORE, usable_cores
from cluster.engines.deferred import DeferredEngine
from cluster.engines.options import EngineOptions
from cluster.engines.portion_queue import PortionQueue
from schemas.records import Machine
from tests.support.dataset import ROOT, job_environment
from tests.support.items import Item, ItemWorker

RAY_UNDER_TERMINABLE = """
import signal, sys
from cluster.engines.deferred import DeferredEngine
from cluster.engines.options import EngineOptions
from cluster.runs.lifecycle import terminable
engine = DeferredEngine(EngineOptions())
with terminable():
    mine = signal.getsignal(signal.SIGTERM)
    before = engine.machine()
    assert engine.on_gpus is False
    assert "ray" not in sys.modules
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
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    engine = DeferredEngine(EngineOptions())
    assert engine.on_gpus
    expected = engine.expected_machine()
    assert (expected.nodes, expected.cpus, expected.gpus) == (1, usable_cores(), 2)
    assert engine.machine().nodes == 0


def test_only_the_cluster_knows_whether_it_has_gpus():
    assert DeferredEngine(EngineOptions(address="127.0.0.1:1")).on_gpus is None


def test_ray_starts_late_and_leaves_the_handler_of_sigterm_alone():
    done = subprocess.run(
        [sys.executable, "-c", RAY_UNDER_TERMINABLE],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env=job_environment(),
    )
    assert done.stdout == "0 True ray\n", done.stderr


@pytest.mark.parametrize("name", ["local", "beam"])
def test_only_ray_has_gpus_for_networks(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert not DeferredEngine(EngineOptions(engine=name)).on_gpus

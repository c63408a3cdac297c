"""`framemill.models` lists what `framemill train` takes."""

from __future__ import annotations

import framemill
from cluster.runs.options import options_of
from cluster.training.config import TrainingOptions


def test_all_models_of_the_job_are_listed_once() -> None:
    names = [model.name for model in framemill.models()]
    assert sorted(names) == sorted(options_of(TrainingOptions)["model"].rule.choices)


def test_each_says_what_it_takes_and_what_it_is() -> None:
    found = {model.name: model for model in framemill.models()}
    assert found["dense-5"].takes == "mean features"
    assert found["netvlad"].takes == "frame features"
    assert found["c3d"].takes == "clips"
    assert found["movinet-a0-stream"].takes == "streams"
    assert found["lipnet"].takes == "lips"
    for model in found.values():
        assert model.parameters > 1000
        assert 10 < len(model.description) < 200

"""Groups of options of a training: what follows from each by itself."""

from __future__ import annotations

import pytest

from cluster.training.option_groups import (
    LEARNING_RATE,
    ModelOptions,
    OptimisationOptions,
    SplitOptions,
    TrainingEngineOptions,
)
from cluster.training.phases import TRANSFER_LEARNING_RATE, TRANSFER_LEARNING_RATES


@pytest.mark.parametrize(("model", "takes_clips"), [("dense-5", False), ("netvlad", False), ("c3d", True)])
def test_a_model_takes_features_or_clips(model: str, takes_clips: bool) -> None:
    assert ModelOptions(model=model).takes_clips is takes_clips


def test_options_of_the_model_are_checked_by_the_model() -> None:
    assert ModelOptions(model="lstm", model_options=("layers=1",)).config().layers == 1
    with pytest.raises(ValueError, match="layerz"):
        ModelOptions(model="lstm", model_options=("layerz=1",)).config()


def test_fractions_are_three_numbers_that_add_up_to_one() -> None:
    split = SplitOptions(fractions=("0.5", "0.25", "0.25"), split_seed=3).hash_split()
    assert (split.training, split.validation, split.test, split.seed) == (0.5, 0.25, 0.25, 3)
    for fractions in (("0.5", "0.5"), ("0.5", "0.25", "rest")):
        with pytest.raises(ValueError, match="fractions are three numbers"):
            SplitOptions(fractions=fractions).hash_split()
    with pytest.raises(ValueError, match="add up to 1"):
        SplitOptions(fractions=("0.5", "0.1", "0.1")).hash_split()


def test_the_learning_rate_is_the_one_given_or_that_of_the_recipe() -> None:
    assert OptimisationOptions().highest_learning_rate("c3d") == LEARNING_RATE
    transfer = OptimisationOptions(recipe="transfer")
    for model in ("c3d", "i3d"):
        expected = TRANSFER_LEARNING_RATES.get(model, TRANSFER_LEARNING_RATE)
        assert transfer.highest_learning_rate(model) == expected
    assert OptimisationOptions(recipe="transfer", learning_rate=0.5).highest_learning_rate("c3d") == 0.5


def test_without_phases_there_is_one_over_all_stages() -> None:
    (phase,) = OptimisationOptions(epochs=4, optimizer="sgd", learning_rate=0.1, momentum=0.9).phase_settings("dense-5")
    assert (phase.epochs, phase.stages, phase.optimizer, phase.learning_rate, phase.momentum) == (
        4,
        None,
        "sgd",
        0.1,
        0.9,
    )


def test_a_phase_inherits_what_it_leaves_out() -> None:
    head, rest = OptimisationOptions(
        optimizer="adam", learning_rate=0.01, phases=("epochs=3 stages=1", "epochs=2 learning-rate=0.001")
    ).phase_settings("c3d")
    assert (head.epochs, head.stages, head.optimizer, head.learning_rate) == (3, 1, "adam", 0.01)
    assert (rest.epochs, rest.optimizer, rest.learning_rate) == (2, "adam", 0.001)


def test_the_transfer_recipe_trains_the_head_and_then_three_stages_at_a_tenth() -> None:
    head, rest = OptimisationOptions(recipe="transfer", learning_rate=0.1).phase_settings("c3d")
    assert (head.epochs, head.stages, head.learning_rate) == (20, 1, 0.1)
    assert (rest.epochs, rest.stages, rest.learning_rate) == (5, 3, pytest.approx(0.01))


def test_epochs_and_phases_must_agree() -> None:
    assert len(OptimisationOptions(epochs=5, phases=("epochs=3", "epochs=2")).phase_settings("c3d")) == 2
    with pytest.raises(ValueError, match="epochs is 6, but those of the phases are 5"):
        OptimisationOptions(epochs=6, phases=("epochs=3", "epochs=2")).phase_settings("c3d")


def test_numbers_out_of_range_are_refused() -> None:
    assert OptimisationOptions(l2=0.1, patience=3, seed=5).training_config().patience == 3
    with pytest.raises(ValueError, match="l2"):
        OptimisationOptions(l2=-1.0).training_config()


def test_workers_are_one_and_decoding_has_limits_of_its_own() -> None:
    engine = TrainingEngineOptions()
    assert (engine.engine, engine.workers, engine.time_limit, engine.memory_limit_mib) == ("ray", 1, 60.0, 2048)

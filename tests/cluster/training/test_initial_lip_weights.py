"""Weights of a checkpoint for the same alphabet, for another one, and weights that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from classifiers.lip_models.base import LipModel
from classifiers.lip_models.registry import build_lip_model
from classifiers.text.alphabet import LIPNET_ALPHABET, Alphabet
from cluster.training.initial_lip_weights import InitialLipWeights
from cluster.training.initial_weights import InitialWeightsError
from tests.support.checkpoints import trained, write_trained
from tests.support.lips import OPTIONS, trained_lips

OTHER = Alphabet(("ñ", "o", " "), blank=3)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_trained(tmp_path_factory.mktemp("trained"), trained_lips())


def model(alphabet: Alphabet, **options: object) -> LipModel:
    torch.manual_seed(9)
    return build_lip_model("lipnet-keras", num_classes=alphabet.num_outputs, options={**OPTIONS, **options})


def is_same(one: LipModel, name: str) -> bool:
    return torch.equal(one.state_dict()[name], trained_lips().state[name])


def test_the_same_alphabet_keeps_the_head(saved: str) -> None:
    filled = model(LIPNET_ALPHABET, dropout=0.1)
    assert InitialLipWeights(saved).fill(filled, "lipnet-keras", LIPNET_ALPHABET)
    assert all(is_same(filled, name) for name in filled.state_dict())
    assert InitialLipWeights(saved).alphabet() == LIPNET_ALPHABET


def test_another_alphabet_gets_a_new_head(saved: str) -> None:
    filled = model(OTHER)
    fresh = filled.head.weight.clone()
    assert not InitialLipWeights(saved).fill(filled, "lipnet-keras", OTHER)
    assert torch.equal(filled.head.weight, fresh)
    assert is_same(filled, "recurrences.0.weight_ih_l0")
    reset = model(LIPNET_ALPHABET)
    assert not InitialLipWeights(saved, "reset").fill(reset, "lipnet-keras", LIPNET_ALPHABET)
    assert not is_same(reset, "head.weight")


@pytest.mark.parametrize(
    ("options", "name", "problem"),
    [
        ({}, "lipnet", "it is of model 'lipnet-keras', not of a lip reader 'lipnet'"),
        ({"normalisation": "unit"}, "lipnet-keras", "its model has option normalisation=standardised, not unit"),
    ],
)
def test_weights_that_do_not_fit(saved: str, options: dict[str, object], name: str, problem: str) -> None:
    with pytest.raises(InitialWeightsError, match=problem):
        InitialLipWeights(saved).fill(model(LIPNET_ALPHABET, **options), name, LIPNET_ALPHABET)


def test_keeping_the_head_needs_the_alphabet(saved: str) -> None:
    with pytest.raises(InitialWeightsError, match="is not that of the checkpoint"):
        InitialLipWeights(saved, "keep").fill(model(OTHER), "lipnet-keras", OTHER)


def test_a_classifier_does_not_start_a_lip_reader(tmp_path: Path) -> None:
    other = write_trained(tmp_path, trained())
    with pytest.raises(InitialWeightsError, match="it is of model 'dense-5'"):
        InitialLipWeights(other).alphabet()


def test_public_weights_get_a_new_head_unless_it_is_kept() -> None:
    keras = Path(__file__).parents[2] / "fixtures" / "keras" / "lipnet.h5"
    weights = InitialLipWeights(str(keras))
    assert weights.alphabet() is None
    with pytest.raises(InitialWeightsError):
        weights.fill(model(OTHER), "lipnet-keras", OTHER)

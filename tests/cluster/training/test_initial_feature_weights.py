from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from classifiers.feature_models.registry import build_model
from cluster.training.initial_feature_weights import InitialFeatureWeights
from cluster.training.initial_weights import InitialWeightsError
from cluster.training.job import run_training
from cluster.training.kinds import load_training_data
from tests.support import keras_models
from tests.support.features import FINGERPRINT
from tests.support.trainings import record_of, training_config, write_features

CLASSES = 5
KERAS = Path(__file__).parents[2] / "fixtures" / "keras"


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained")
    assert run_training(training_config(dataset, output, epochs=6)) == 0
    return output


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "model.h5"
    keras_models.write_by_name(path, keras_models.weights(CLASSES))
    return path


def built(dataset, trained, **options):
    config = training_config(dataset, dataset / "out", init_weights=str(trained), **options)
    return load_training_data(config.settings()).build_model().state_dict()


def same(state, other):
    return {name for name in state if state[name].equal(other[name])}


def test_a_training_goes_on_from_a_checkpoint(dataset, trained, tmp_path):
    assert run_training(training_config(dataset, tmp_path, epochs=1, init_weights=str(trained))) == 0
    cold, warm = record_of(trained).history[0], record_of(tmp_path).history[0]
    assert warm.training["loss"] < cold.training["loss"] - 0.1


def test_the_head_goes_with_its_classes(dataset, trained):
    weights = load_file(trained / "model.safetensors")
    everything, head = set(weights), {"head.weight", "head.bias"}
    assert same(weights, built(dataset, trained)) == everything
    assert same(weights, built(dataset, trained, init_head="reset")) == everything - head
    assert same(weights, built(dataset, trained, classes=("dog", "cat", "fish"))) == everything - head
    with pytest.raises(InitialWeightsError, match="its head has other classes, with 'fish'"):
        built(dataset, trained, classes=("cat", "dog"), init_head="keep")


def test_weights_that_do_not_belong_are_refused(dataset, trained, tmp_path):
    with pytest.raises(InitialWeightsError, match="it is of model 'dense-5', not of 'dense-6', which is to be trained"):
        built(dataset, trained, model="dense-6")
    with pytest.raises(InitialWeightsError, match="its model has option activation=tanh, not relu"):
        built(dataset, trained, model_options=("activation=relu",))
    built(dataset, trained, model_options=("input_dropout=0.1",))
    others = write_features(tmp_path / "others", fingerprint={"source": "another"})
    with pytest.raises(InitialWeightsError, match="source: another, the model was trained on test"):
        built(others, trained)
    with pytest.raises(InitialWeightsError, match="nowhere"):
        built(dataset, tmp_path / "nowhere.h5")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>", r"the file is a page of text \(HTML\), not weights"),
        (b"version https://git-lfs.github.com/spec/v1\nsize 9\n", "the file is a pointer of Git LFS"),
        ((KERAS / "audio_first.keras").read_bytes(), "the file is a whole model of Keras"),
        ((KERAS / "small.h5").read_bytes()[:5000], "m is not a usable Keras file"),
    ],
    ids=["page", "pointer", "keras", "truncated"],
)
def test_files_that_hold_no_weights_are_named(dataset, tmp_path, content, message):
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(InitialWeightsError, match=rf"--init-weights .*: .*{message}"):
        built(dataset, tmp_path / "m")


def test_a_file_of_keras(keras_file):
    wanted = InitialFeatureWeights(
        uri=str(keras_file), head="auto", name="dense-5", options={}, fingerprint=FINGERPRINT
    )
    expected = keras_models.model_5(CLASSES).state_dict()
    model = build_model("dense-5", num_classes=CLASSES)
    wanted.fill(model, "abcde")
    assert same(expected, model.state_dict()) == set(expected)
    three = build_model("dense-5", num_classes=3)
    fresh = three.head.weight.clone()
    wanted.fill(three, "abc")
    assert torch.equal(three.head.weight, fresh)
    assert torch.equal(three.rgb[0].weight, expected["rgb.0.weight"])
    with pytest.raises(InitialWeightsError, match="its head has 5 classes, expected 3"):
        replace(wanted, head="keep").fill(three, "abc")
    with pytest.raises(InitialWeightsError, match="is not a dense classifier"):
        replace(wanted, name="mixture-of-experts").fill(three, "abc")

import numpy as np

from benchmarks.frame_models import CLASSES, MEANS, MODELS, accuracy_limits
from benchmarks.generated_features import draw_labels, draw_truth
from classifiers.feature_models.registry import model_config, model_entry, model_names


def test_every_model_of_frames_is_compared():
    compared = {name for name, (kind, _) in MODELS.items() if kind != MEANS}
    assert compared == {name for name in model_names() if model_entry(name).model.level == "frame"}
    for name, (_, options) in MODELS.items():
        model_config(name, {key: int(value) for key, value in (option.split("=") for option in options)})


def test_accuracy_limits_are_those_of_ideal_predictions():
    rng = np.random.default_rng(0)
    truth = draw_truth(rng, 200_000, CLASSES, 1.0)
    labels = draw_labels(rng, truth, CLASSES)
    first = labels.values.to_numpy()[labels.offsets.to_numpy()[:-1]]
    predictions = {"guess": np.zeros_like(first), "pair": truth.classes // 2 * 2, "class": truth.classes}
    found = {name: 100 * (first == predicted).mean() for name, predicted in predictions.items()}
    assert accuracy_limits().keys() == found.keys()
    for name, share in accuracy_limits().items():
        assert abs(share - found[name]) < 0.5, name

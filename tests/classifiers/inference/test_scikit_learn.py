"""Classifiers of scikit-learn in checkpoints: read back without pickle, and refused where that may run code."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from classifiers.data.batches import FeatureBatch
from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.inference.scikit_learn import STATE, estimator_state
from classifiers.weights.checkpoint import Checkpoint, CheckpointError, read_checkpoint, write_checkpoint
from schemas.features import AUDIO_DIM
from tests.support.checkpoints import trained
from tests.support.features import DIM

RNG = np.random.default_rng(0)
FEATURES = RNG.standard_normal((90, DIM + AUDIO_DIM)).astype(np.float32)
CLASSES = RNG.integers(0, 3, 90)


def checkpoint(state: dict[str, torch.Tensor], **changes: Any) -> Checkpoint:
    config = replace(trained("logistic", classes=3).config, model="scikit-learn", options={}, **changes)
    return read_checkpoint(write_checkpoint(Checkpoint(config, state)))


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        RandomForestClassifier(5),
        GradientBoostingClassifier(n_estimators=3),
        HistGradientBoostingClassifier(max_iter=3),
        MLPClassifier((8,), max_iter=5),
        KNeighborsClassifier(algorithm="brute"),
        CalibratedClassifierCV(make_pipeline(StandardScaler(), SVC())),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
@pytest.mark.filterwarnings("ignore")
def test_probabilities_are_those_of_the_estimator(estimator: Any) -> None:
    estimator.fit(FEATURES, CLASSES)
    classifier = TrainedClassifier({"a": checkpoint(estimator_state(estimator))})
    assert classifier.level == "video"
    rgb, audio = torch.from_numpy(FEATURES[:, :DIM]), torch.from_numpy(FEATURES[:, DIM:])
    places, scores = classifier.label(FeatureBatch(rgb, audio, torch.ones(90, dtype=torch.int64)), 3)
    expected = estimator.predict_proba(FEATURES)
    np.testing.assert_allclose(scores, np.take_along_axis(expected, places, 1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(scores.max(axis=1), expected.max(axis=1), rtol=1e-4)


def test_its_probabilities_are_averaged_with_those_of_a_network() -> None:
    estimator = RandomForestClassifier(5, random_state=0).fit(FEATURES, CLASSES)
    forest, network = checkpoint(estimator_state(estimator)), trained("dense-5", classes=3)
    batch = FeatureBatch(*map(torch.from_numpy, (FEATURES[:, :DIM], FEATURES[:, DIM:], np.ones(90, np.int64))))
    of_network = TrainedClassifier({"b": network}).logits(batch).double().softmax(1).numpy()
    found = TrainedClassifier({"a": forest, "b": network}).logits(batch).double().softmax(1).numpy()
    np.testing.assert_allclose(found, (estimator.predict_proba(FEATURES) + of_network) / 2, atol=1e-6)


def test_functions_are_refused() -> None:
    estimator = make_pipeline(FunctionTransformer(), LogisticRegression()).fit(FEATURES, CLASSES)
    estimator.steps[0][1].func = os.system
    with pytest.raises(CheckpointError, match=r"may run code when they are loaded: posix\.system"):
        estimator_state(estimator)


@pytest.mark.parametrize("estimator", [RandomForestClassifier(3), HistGradientBoostingClassifier(max_iter=2)])
@pytest.mark.parametrize("wrong", ["out", "back", "feature"])
def test_trees_that_lead_astray_are_refused(estimator: Any, wrong: str) -> None:
    estimator.fit(FEATURES, CLASSES)
    if isinstance(estimator, RandomForestClassifier):
        tree = estimator.estimators_[1].tree_
        state = tree.__getstate__()
        nodes = state["nodes"] = state["nodes"].copy()
        left, feature = "left_child", "feature"
    else:
        nodes = estimator._predictors[1][0].nodes
        left, feature = "left", "feature_idx"
    nodes[feature if wrong == "feature" else left][0] = {"out": 10**6, "back": 0, "feature": 10**6}[wrong]
    if isinstance(estimator, RandomForestClassifier):
        tree.__setstate__(state)
    with pytest.raises(CheckpointError, match="a tree"):
        estimator_state(estimator)


def test_a_damaged_file_is_refused() -> None:
    content = estimator_state(LogisticRegression().fit(FEATURES, CLASSES))[STATE].clone()
    content[len(content) // 2 :] = 0
    with pytest.raises(CheckpointError, match="cannot be read"):
        TrainedClassifier({"a": checkpoint({STATE: content})})
    with pytest.raises(CheckpointError, match="have no 'skops'"):
        TrainedClassifier({"a": checkpoint({"other": content})})


def test_an_estimator_that_does_not_fit_is_refused() -> None:
    state = estimator_state(LogisticRegression().fit(FEATURES[:, :20], CLASSES))
    with pytest.raises(CheckpointError, match=r"takes 20 features, config\.json says 16 \+ 128"):
        TrainedClassifier({"a": checkpoint(state)})
    state = estimator_state(LogisticRegression().fit(FEATURES, CLASSES % 2))
    with pytest.raises(CheckpointError, match=r"has 2 classes, config\.json 3"):
        TrainedClassifier({"a": checkpoint(state)})
    state = estimator_state(RidgeClassifier().fit(FEATURES, CLASSES))
    with pytest.raises(CheckpointError, match="RidgeClassifier gives no probabilities"):
        TrainedClassifier({"a": checkpoint(state)})

"""Classifiers of scikit-learn in checkpoints: read back without pickle, and refused where that may run code."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

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
        make_pipeline(PCA(4), PolynomialFeatures(3), HistGradientBoostingClassifier(max_iter=3)),
        BaggingClassifier(DecisionTreeClassifier(max_depth=2), 3, max_features=0.5),
        VotingClassifier([("a", DecisionTreeClassifier()), ("b", AdaBoostClassifier(n_estimators=2))], voting="soft"),
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
    number = 0 if wrong == "back" else 10**6
    if isinstance(estimator, RandomForestClassifier):
        rewritten(estimator.estimators_[1].tree_, **{"feature" if wrong == "feature" else "left_child": number})
    else:
        estimator._predictors[1][0].nodes["feature_idx" if wrong == "feature" else "left"][0] = number
    with pytest.raises(CheckpointError, match="a tree"):
        estimator_state(estimator)


def rewritten(tree: Any, **fields: Any) -> None:
    """Put other numbers into the first node of a tree."""
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    for name, value in fields.items():
        state["nodes"][name][0] = value
    tree.__setstate__(state)


def test_trees_get_what_those_around_them_have_looked_at() -> None:
    """A forest does not have its trees compare what they are given with what they say of themselves."""
    forest = RandomForestClassifier(3).fit(FEATURES, CLASSES)
    forest.estimators_[1].n_features_in_ = 10**6
    rewritten(forest.estimators_[1].tree_, feature=10**5)
    boosting = GradientBoostingClassifier(n_estimators=2).fit(FEATURES, CLASSES)
    boosting.estimators_[0, 0].n_features_in_ = 10**6
    rewritten(boosting.estimators_[0, 0].tree_, feature=10**5)
    for estimator in (forest, boosting):
        with pytest.raises(CheckpointError, match="looks at features that there are not"):
            estimator_state(estimator)


def test_trees_in_sets_and_in_places_of_others_are_found() -> None:
    tree = DecisionTreeClassifier().fit(FEATURES, CLASSES)
    rewritten(tree.tree_, left_child=10**6)
    voting = VotingClassifier([("a", DecisionTreeClassifier())], voting="soft").fit(FEATURES, CLASSES)
    voting.estimators_ = {tree}
    boosting = GradientBoostingClassifier(n_estimators=2).fit(FEATURES, CLASSES)
    boosting.init_ = tree.tree_
    for estimator, message in ((voting, "lead out of it"), (boosting, "is where none belongs")):
        with pytest.raises(CheckpointError, match=message):
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

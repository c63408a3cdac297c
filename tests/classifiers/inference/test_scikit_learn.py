"""Classifiers of scikit-learn in checkpoints: read back without pickle, and refused where that may run code."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
import pytest
import skops.io
import torch
from numpy.lib.recfunctions import rename_fields
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
from sklearn.tree._tree import Tree

from classifiers.data.batches import FeatureBatch
from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.inference.scikit_learn import SCHEMA, STATE, estimator_state
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
        GradientBoostingClassifier(n_estimators=3, init=GradientBoostingClassifier(n_estimators=1, init="zero")),
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
@pytest.mark.parametrize("wrong", ["out", "back", "feature", "empty"])
def test_trees_that_lead_astray_are_refused(estimator: Any, wrong: str) -> None:
    estimator.fit(FEATURES, CLASSES)
    number = 0 if wrong == "back" else 10**6
    if isinstance(estimator, RandomForestClassifier):
        tree = estimator.estimators_[1].tree_
        count = 0 if wrong == "empty" else tree.node_count
        rewritten(tree, count, **{"feature" if wrong == "feature" else "left_child": number})
    else:
        tree = estimator._predictors[1][0]
        tree.nodes["feature_idx" if wrong == "feature" else "left"][0] = number
        tree.nodes = tree.nodes[:0] if wrong == "empty" else tree.nodes
    with pytest.raises(CheckpointError, match="a tree"):
        estimator_state(estimator)


def rewritten(tree: Any, node_count: int | None = None, **fields: Any) -> None:
    """Put other numbers into the first node of a tree, and their count."""
    state = tree.__getstate__()
    state["nodes"] = state["nodes"].copy()
    for name, value in fields.items():
        state["nodes"][name][0] = value
    tree.__setstate__(state if node_count is None else {**state, "node_count": node_count})


def test_a_tree_without_values_is_refused() -> None:
    boosting = GradientBoostingClassifier(n_estimators=2).fit(FEATURES, CLASSES)
    tree = Tree(DIM + AUDIO_DIM, np.zeros(1, np.intp), 1)
    state = boosting.estimators_[0, 0].tree_.__getstate__()
    tree.__setstate__({**state, "values": state["values"][:, :, :0].copy()})
    boosting.estimators_[0, 0].tree_ = tree
    with pytest.raises(CheckpointError, match="a tree has no nodes"):
        estimator_state(boosting)


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


def test_a_tree_in_two_places_is_checked_in_both() -> None:
    boosting = GradientBoostingClassifier(n_estimators=2).fit(FEATURES, CLASSES)
    tree = boosting.estimators_[1, 0]
    tree.n_features_in_ = 10**6
    rewritten(tree.tree_, feature=10**5)
    pipeline = make_pipeline(boosting)
    vars(pipeline).update({"before": tree, **{name: vars(pipeline).pop(name) for name in list(vars(pipeline))}})
    pipeline.after = tree
    with pytest.raises(CheckpointError, match="looks at features that there are not"):
        estimator_state(pipeline)


@pytest.mark.parametrize("said", [None, np.ma.MaskedArray(5, mask=True)])
def test_an_owner_that_compares_nothing_gives_no_features(said: Any) -> None:
    boosting = GradientBoostingClassifier(n_estimators=2).fit(FEATURES, CLASSES)
    boosting.estimators_[1, 0].n_features_in_ = 10**6
    rewritten(boosting.estimators_[1, 0].tree_, feature=10**5)
    if said is None:
        del boosting.n_features_in_
    else:
        boosting.n_features_in_ = said
    with pytest.raises(CheckpointError, match="looks at features that there are not"):
        estimator_state(boosting)


@pytest.mark.parametrize("init", [None, "zero"])
def test_more_trees_than_columns_are_refused(init: Any) -> None:
    boosting = GradientBoostingClassifier(n_estimators=2, init=init).fit(FEATURES, CLASSES)
    boosting.estimators_ = np.hstack([boosting.estimators_, boosting.estimators_])
    for estimator in (boosting, VotingClassifier([("a", boosting)])):
        with pytest.raises(CheckpointError, match="the trees of gradient boosting do not fit"):
            estimator_state(estimator)


def test_what_stands_in_for_a_tree_is_refused() -> None:
    astray = DecisionTreeClassifier().fit(FEATURES, CLASSES)
    shown = ("children_left", "children_right", "feature", "value")
    harmless = {name: getattr(astray.tree_, name).copy() for name in shown}
    rewritten(astray.tree_, left_child=10**6)
    vars(astray).update(harmless, node_count=astray.tree_.node_count)
    boosting = GradientBoostingClassifier(n_estimators=2).fit(FEATURES, CLASSES)
    tree = DecisionTreeClassifier().fit(FEATURES, CLASSES)
    for stand_in in (astray, None):
        tree.tree_ = boosting.estimators_[1, 0].tree_ = stand_in
        for estimator in (tree, boosting):
            with pytest.raises(CheckpointError, match="a tree has no nodes"):
                estimator_state(estimator)


def test_values_in_the_place_of_methods_are_refused() -> None:
    """A tree compares the width of its input in a method, which numpy's functions could stand in for."""
    tree = DecisionTreeClassifier().fit(FEATURES, CLASSES)
    tree._validate_X_predict = np.multiply
    with pytest.raises(CheckpointError, match=r"DecisionTreeClassifier has values .* methods: _validate_X_predict"):
        estimator_state(tree)
    boosting = HistGradientBoostingClassifier(max_iter=1).fit(FEATURES, CLASSES)
    boosting._predictors[0][0].__setstate__ = np.abs
    boosting._predictors[0][0].nodes["left"][0] = 10**6
    with pytest.raises(CheckpointError, match="lead out of it"):
        estimator_state(boosting)


def test_masks_hide_no_trees() -> None:
    boosting = GradientBoostingClassifier(n_estimators=2).fit(FEATURES, CLASSES)
    rewritten(boosting.estimators_[1, 0].tree_, left_child=10**6)
    boosting.estimators_ = np.ma.MaskedArray(boosting.estimators_, mask=[[False] * 3, [True] * 3])
    histograms = HistGradientBoostingClassifier(max_iter=2).fit(FEATURES, CLASSES)
    nodes = histograms._predictors[1][0].nodes
    nodes["left"][0] = 10**6
    histograms._predictors[1][0].nodes = np.ma.MaskedArray(nodes, mask=np.ones(len(nodes), bool))
    for estimator in (boosting, histograms):
        with pytest.raises(CheckpointError, match="lead out of it"):
            estimator_state(estimator)


def test_boosting_of_histograms_takes_its_features_as_they_are() -> None:
    boosting = HistGradientBoostingClassifier(max_iter=2).fit(FEATURES, CLASSES)
    boosting._preprocessor = PCA(2).fit(FEATURES)
    with pytest.raises(CheckpointError, match="changes its features"):
        estimator_state(boosting)
    boosting._preprocessor = None
    boosting._predictors[0][0].nodes["is_categorical"][0] = 1
    with pytest.raises(CheckpointError, match="has categories"):
        estimator_state(boosting)


def test_names_of_fields_hide_no_nodes() -> None:
    """skops also makes objects by their constructors, and that of a tree takes fields of any name."""
    boosting = HistGradientBoostingClassifier(max_iter=1).fit(FEATURES, CLASSES)
    tree = boosting._predictors[0][0]
    tree.nodes["missing_go_to_left"] = 1

    def by_constructor(schema: Any) -> None:
        for node in nodes_of(schema):
            if node.get("__class__") == "TreePredictor":
                given = list(node["content"]["content"].values())
                arguments = {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode"}
                node |= {"__loader__": "ConstructorFromReduceNode", "content": {**arguments, "content": given}}

    content = estimator_state(boosting)[STATE]
    TrainedClassifier({"a": checkpoint({STATE: rearchived(content, by_constructor)})})
    tree.nodes["left"][0] = 10**6
    tree.nodes = rename_fields(tree.nodes, {"is_leaf": "missing_go_to_left", "missing_go_to_left": "is_leaf"})
    content = torch.frombuffer(bytearray(skops.io.dumps(boosting)), dtype=torch.uint8)
    with pytest.raises(CheckpointError, match="lead out of it"):
        TrainedClassifier({"a": checkpoint({STATE: rearchived(content, by_constructor)})})


def nodes_of(schema: Any) -> list[dict[str, Any]]:
    """The objects of a schema of skops, and whatever else is a dictionary there."""
    found, left = [], [schema]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            found.append(each)
        left += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return found


def rearchived(
    content: torch.Tensor, change: Callable[[Any], None] | None = None, compression: int = ZIP_STORED
) -> torch.Tensor:
    """The file with another schema."""
    buffer = io.BytesIO()
    with ZipFile(io.BytesIO(content.numpy().tobytes())) as old, ZipFile(buffer, "w", compression) as new:
        for name in old.namelist():
            if name == SCHEMA and change is not None:
                schema = json.loads(old.read(name))
                change(schema)
                new.writestr(name, json.dumps(schema))
            else:
                new.writestr(name, old.read(name))
    return torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8)


def test_no_more_is_read_than_the_file_accounts_for() -> None:
    estimator = LogisticRegression().fit(FEATURES, CLASSES)
    estimator.large = np.zeros(1 << 18)
    content = estimator_state(estimator)[STATE]

    def read_again(schema: Any) -> None:
        large = schema["content"]["content"]["large"]
        copies = [{**large, "__id__": place} for place in range(100)]
        listed = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode"}
        schema["content"]["content"]["large"] = {**listed, "content": copies}

    def read_once(schema: Any) -> None:
        read_again(schema)
        for copy in schema["content"]["content"]["large"]["content"]:
            copy["__id__"] = 1

    TrainedClassifier({"a": checkpoint({STATE: rearchived(content, read_once)})})
    with pytest.raises(CheckpointError, match=r"claims .* more than the .* allowed"):
        TrainedClassifier({"a": checkpoint({STATE: rearchived(content, read_again)})})
    with pytest.raises(CheckpointError, match="it is compressed; save it again"):
        TrainedClassifier({"a": checkpoint({STATE: rearchived(content, compression=ZIP_DEFLATED)})})


def test_archives_of_arrays_are_refused() -> None:
    inner = io.BytesIO()
    np.savez_compressed(inner, zeros=np.zeros(1 << 20))
    estimator = LogisticRegression().fit(FEATURES, CLASSES)
    estimator.inner = inner.getvalue()

    def as_array(schema: Any) -> None:
        node = schema["content"]["content"]["inner"]
        node |= {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode", "type": "numpy"}

    content = torch.frombuffer(bytearray(skops.io.dumps(estimator)), dtype=torch.uint8)
    with pytest.raises(CheckpointError, match="is an archive"):
        TrainedClassifier({"a": checkpoint({STATE: rearchived(content, as_array)})})


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

"""`VideoClassifier` in scikit-learn, and scikit-learn's classifiers in the jobs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.decomposition import IncrementalPCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import framemill
from cluster.scoring.config import ScoringOptions
from cluster.scoring.early_start import run_scoring
from cluster.scoring.plan import read_checkpoint_at
from extractors.networks.pca import fit_pca
from extractors.weights.pca_formats import read_pca
from framemill.sklearn import VideoClassifier, means, save, save_pca
from tests.support.trainings import write_features

QUICK = partial(VideoClassifier, "logistic", epochs=60, learning_rate=0.05, batch_size=32, random_state=0)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return framemill.read(write_features(tmp_path_factory.mktemp("features"), 200))


@pytest.fixture(scope="module")
def classes(table: pd.DataFrame) -> list[int]:
    return [int(labels[0]) for labels in table.labels]


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "estimator",
    [
        VideoClassifier(),
        VideoClassifier("logistic", epochs=60, learning_rate=0.05, batch_size=32, random_state=0),
        VideoClassifier("dense-1", epochs=60, learning_rate=0.01, batch_size=32, random_state=0),
    ],
    ids=["default", "logistic", "dense-1"],
)
def test_all_of_scikit_learns_own_checks_pass(estimator: VideoClassifier) -> None:
    count = 0
    for each, check in estimator_checks_generator(estimator):
        if "array_api" not in str(check):
            check(each)
            count += 1
    assert count > 40


@pytest.mark.filterwarnings("ignore")
def test_the_checks_of_an_estimators_manners_pass() -> None:
    wanted = ("unfitted", "clone", "get_params", "set_params", "nan_inf", "n_features_in", "do_not_raise", "mutable")
    checks = [
        (each, check)
        for each, check in estimator_checks_generator(QUICK())
        if any(name in str(check) for name in wanted)
    ]
    assert len(checks) >= 8
    for each, check in checks:
        check(each)


def test_it_learns_and_the_same_seed_gives_the_same_bits(table: pd.DataFrame, classes: list[int]) -> None:
    one, other = (QUICK().fit(means(table), classes) for _ in range(2))
    np.testing.assert_array_equal(one.predict_proba(means(table)), other.predict_proba(means(table)))
    assert one.score(means(table), classes) > 0.9
    assert set(one.predict(means(table))) <= {0, 1, 2}


def test_it_works_in_pipelines_cross_validation_and_searches(table: pd.DataFrame, classes: list[int]) -> None:
    pipeline = make_pipeline(StandardScaler(), QUICK(epochs=10))
    assert cross_val_score(pipeline, means(table), classes, cv=2).mean() > 0.6
    search = GridSearchCV(pipeline, {"videoclassifier__epochs": [1, 15]}, cv=2).fit(means(table), classes)
    assert search.best_params_ == {"videoclassifier__epochs": 15}


def test_a_model_of_frames_is_refused(table: pd.DataFrame, classes: list[int]) -> None:
    with pytest.raises(ValueError, match="netvlad takes the features of each frame"):
        VideoClassifier("netvlad").fit(means(table), classes)


@pytest.mark.parametrize("estimator", [QUICK(), RandomForestClassifier(10, random_state=0)], ids=["ours", "forest"])
def test_a_saved_classifier_labels_videos_in_the_job(
    estimator: Any, table: pd.DataFrame, classes: list[int], tmp_path: Path
) -> None:
    features = write_features(tmp_path / "features", 200)
    names = np.array(["cat", "dog", "bird"])
    estimator.fit(means(table), names[classes])
    save(estimator, tmp_path / "classifier", table)
    options = ScoringOptions.of(
        checkpoint=(str(tmp_path / "classifier"),),
        features=(str(features),),
        labels=str(tmp_path / "labels"),
        engine="local",
        quiet=True,
    )
    assert run_scoring(options) == 0
    shards = list((tmp_path / "labels").glob("date=*/*.parquet"))
    labelled = pd.concat([pq.read_table(path).to_pandas() for path in shards]).set_index("id").loc[table.id]
    assert [labels[0]["name"] for labels in labelled.labels] == estimator.predict(means(table)).tolist()
    expected = estimator.predict_proba(means(table)).max(axis=1)
    np.testing.assert_allclose([labels[0]["score"] for labels in labelled.labels], expected, rtol=1e-4)
    loaded = framemill.load_classifier(tmp_path / "classifier")
    np.testing.assert_allclose(loaded.predict_proba(table), estimator.predict_proba(means(table)), rtol=1e-4, atol=1e-6)


def test_indices_of_the_data_set_stay_what_they_are(table: pd.DataFrame, classes: list[int], tmp_path: Path) -> None:
    odd = np.array([7.0, 1.0, 3.0])[classes]  # floats, as pandas makes them where some videos have no label
    named = table.copy()
    named.attrs = {**table.attrs, "framemill.classes": ("a", "b", "c", "d")}
    save(QUICK(epochs=1).fit(means(named), odd), tmp_path / "a", named)
    config = read_checkpoint_at(str(tmp_path / "a")).config
    assert config.class_indices == (1, 3, 7)
    assert config.class_names == ("b", "d", "7")
    save(QUICK(epochs=1).fit(means(table), classes), tmp_path / "b", table, class_names=["cat", "dog", "bird"])
    assert framemill.load_classifier(tmp_path / "b").classes == ("cat", "dog", "bird")


def test_numbers_that_are_no_indices_are_names(table: pd.DataFrame, classes: list[int], tmp_path: Path) -> None:
    signs = np.where(np.array(classes) > 0, 1, -1)
    save(LogisticRegression().fit(means(table), signs), tmp_path / "a", table)
    assert framemill.load_classifier(tmp_path / "a").classes == ("-1", "1")


def test_of_a_search_the_best_is_saved(table: pd.DataFrame, classes: list[int], tmp_path: Path) -> None:
    search = GridSearchCV(make_pipeline(StandardScaler(), LogisticRegression()), {"logisticregression__C": [0.1, 1]})
    save(search.fit(means(table), classes), tmp_path / "a", table)
    found = framemill.load_classifier(tmp_path / "a").predict_proba(table)
    np.testing.assert_allclose(found, search.predict_proba(means(table)), rtol=1e-4, atol=1e-6)


def test_training_leaves_the_random_numbers_of_torch_as_they_are(table: pd.DataFrame, classes: list[int]) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    QUICK(epochs=1).fit(means(table), classes)
    assert torch.equal(torch.rand(3), expected)


def test_what_cannot_be_saved_is_refused(table: pd.DataFrame, classes: list[int], tmp_path: Path) -> None:
    with pytest.raises(framemill.InputError, match="not a fitted classifier"):
        save(QUICK(), tmp_path, table)
    with pytest.raises(
        framemill.InputError, match="RidgeClassifier is not a fitted classifier that gives probabilities"
    ):
        save(RidgeClassifier().fit(means(table), classes), tmp_path, table)
    with pytest.raises(framemill.InputError, match=r"takes 3 features, and the table has 16 \+ 128"):
        save(LogisticRegression().fit(means(table)[:, :3], classes), tmp_path, table)
    several = np.stack([np.array(classes) == 0, np.array(classes) < 2], axis=1).astype(int)
    for estimator in (OneVsRestClassifier(LogisticRegression()), RandomForestClassifier(3)):
        with pytest.raises(framemill.InputError, match="any number of classes"):
            save(estimator.fit(means(table), several), tmp_path, table)
    merged = table.merge(pd.DataFrame({"id": table.id, "mine": classes}), on="id")
    with pytest.raises(framemill.InputError, match=r"has lost the fingerprint .* set table\.attrs"):
        save(LogisticRegression().fit(means(merged), classes), tmp_path, merged)
    with pytest.raises(framemill.InputError, match="skops cannot save it"):
        save(make_pipeline(StandardScaler(), QUICK(epochs=1)).fit(means(table), classes), tmp_path, table)
    with pytest.raises(framemill.InputError, match="the table has no videos"):
        save(LogisticRegression().fit(means(table), classes), tmp_path, table.iloc[:0])
    with pytest.raises(framemill.InputError, match="no column mean_audio"):
        means(table.drop(columns="mean_audio"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["history.json", "training.json", "training.html"])
def test_no_classifier_is_saved_beside_what_tells_of_a_training(
    name: str, table: pd.DataFrame, classes: list[int], tmp_path: Path
) -> None:
    forest = RandomForestClassifier(3).fit(means(table), classes)
    (tmp_path / name).write_text("{}")
    with pytest.raises(framemill.InputError, match=rf"holds a training \({name}\): give another folder"):
        save(forest, tmp_path, table)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_was_saved_is_replaced(table: pd.DataFrame, classes: list[int], tmp_path: Path) -> None:
    names = np.array(["cat", "dog", "bird"])[classes]
    for labels, expected in ((classes, ("cat", "dog", "fish")), (names, ("bird", "cat", "dog"))):
        save(RandomForestClassifier(3).fit(means(table), labels), tmp_path, table)
        assert framemill.load_classifier(tmp_path).classes == expected


def test_an_incremental_pca_is_ours(tmp_path: Path) -> None:
    scales = np.concatenate([2.0 ** np.arange(8, 0, -1), np.full(2040, 0.01)])
    rows = (np.random.default_rng(0).standard_normal((400, 2048)) * scales).astype(np.float32)
    save_pca(IncrementalPCA(8, batch_size=200).fit(rows), tmp_path / "pca.safetensors")
    found = read_pca(tmp_path / "pca.safetensors").apply(rows)
    expected = fit_pca([rows]).whitened(8).apply(rows)
    signs = np.sign((found * expected).sum(axis=0))  # of which scikit-learn has its own convention
    np.testing.assert_allclose(found * signs, expected, atol=0.02)

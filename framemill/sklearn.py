"""Framemill's classifiers in scikit-learn, and scikit-learn's in Framemill.

    table = framemill.read("features/")
    classifier = VideoClassifier("dense-5").fit(means(table), table.labels.str[0])
    save(classifier, "classifier/", table)      # framemill label --checkpoint classifier/

`VideoClassifier` works in pipelines, cross-validation and searches. `save` takes it, and any classifier of scikit-learn
that gives probabilities, pipelines of scikit-learn's own steps as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from classifiers.choices import SINGLE_LABEL
from classifiers.data.batches import FeatureBatch
from classifiers.feature_models.registry import build_model, model_entry
from classifiers.inference.scikit_learn import MODEL, estimator_state
from classifiers.training.config import TrainingConfig
from classifiers.training.loop import Training
from classifiers.training.objective import Classification
from classifiers.training.optimizers import OptimizerConfig
from classifiers.training.phases import Phase
from classifiers.weights.checkpoint import (
    HISTORY_FILE,
    MAX_CLASS_INDEX,
    VIDEO,
    Checkpoint,
    CheckpointConfig,
    CheckpointError,
    write_checkpoint,
)
from cluster.storage import files
from extractors.networks.pca import EIGENVALUE_OFFSET, Pca
from extractors.weights.pca_formats import write_pca
from framemill.inputs import local_path
from framemill.tables import CLASSES, FINGERPRINT
from schemas.errors import InputError
from schemas.features import AUDIO_DIM
from schemas.trainings import RECORD_FILE

if TYPE_CHECKING:
    import pandas as pd

    from framemill.inputs import Place

PREDICTED_ROWS = 4096
OF_TRAINING = (HISTORY_FILE, RECORD_FILE, "training.html")  # which would seem to tell of what is saved beside them


class VideoClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A classifier of means, one class for each video, trained as `framemill train` does, in this process.

    The last 128 columns of wider inputs are the features of the sound, as in `means`.

    Args:
        model: A model of mean features, such as `dense-5` or `mixture-of-experts`: `framemill.models()` lists them.
        epochs: Passes over the training data.
        batch_size: Videos in one step.
        optimizer: `adam`, `adamw`, `sgd` or `rmsprop`.
        learning_rate: Of the optimizer.
        random_state: Seed of the weights and of the order of videos; None for a different one each time.

    Attributes:
        classes_: The K classes, sorted.
        n_features_in_: The width of the features.

    Example:
        >>> import framemill
        >>> from framemill.sklearn import VideoClassifier, means
        >>> table = framemill.read(features)
        >>> classifier = VideoClassifier("logistic", epochs=2, random_state=0)
        >>> classifier.fit(means(table), ["cat", "dog", "cat"]).predict_proba(means(table)).shape
        (3, 2)
    """

    def __init__(
        self,
        model: str = "dense-5",
        *,
        epochs: int = 20,
        batch_size: int = 128,
        optimizer: str = "adam",
        learning_rate: float = 1e-3,
        random_state: int | None = None,
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803 - scikit-learn's name
        """Train on features (N, D) of N videos and their classes (N,)."""
        features, targets = validate_data(self, X, y, dtype=np.float32)
        check_classification_targets(targets)
        if model_entry(self.model).model.level != VIDEO:
            raise ValueError(f"{self.model} takes the features of each frame, and this classifier means")
        self.classes_, places = np.unique(targets, return_inverse=True)
        self.audio_dim_ = AUDIO_DIM if self.n_features_in_ > AUDIO_DIM else 0
        if self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}, it must be at least 1")
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
            self._train(features, places)
        return self

    def _train(self, features: NDArray[np.float32], places: NDArray[np.intp]) -> None:
        generator = np.random.default_rng(self.random_state)
        seed = int(generator.integers(2**31))
        torch.manual_seed(seed)
        network = build_model(
            self.model,
            num_classes=len(self.classes_),
            rgb_dim=self.n_features_in_ - self.audio_dim_,
            audio_dim=self.audio_dim_ or 1,
        )
        optimizer = OptimizerConfig(name=self.optimizer, learning_rate=self.learning_rate)
        config = TrainingConfig(phases=(Phase(epochs=self.epochs, optimizer=optimizer),), seed=seed)
        training = Training(network, Classification(SINGLE_LABEL, len(self.classes_), config), config)
        while not training.is_over:
            training.run_epoch(self._batches(features, places, generator.permutation(len(features))), None)
        training.load_best()
        self.network_ = network.eval()

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:  # noqa: N803
        """The probabilities (N, K) of all classes for features (N, D)."""
        check_is_fitted(self)
        features = validate_data(self, X, dtype=np.float32, reset=False)
        found = []
        with torch.inference_mode():
            for start in range(0, len(features), PREDICTED_ROWS):
                batch = self._batch(features[start : start + PREDICTED_ROWS])
                found.append(self.network_(*batch.inputs).double().softmax(1))
        return torch.cat(found).float().numpy()

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803
        """The best class (N,) of each video."""
        places = self.predict_proba(X).argmax(axis=1)
        best: NDArray[Any] = self.classes_[places]
        return best

    def _batches(
        self, features: NDArray[np.float32], places: NDArray[np.intp], order: NDArray[np.intp]
    ) -> Iterator[FeatureBatch]:
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            yield self._batch(features[rows], torch.from_numpy(places[rows]))

    def _batch(self, features: NDArray[np.float32], targets: torch.Tensor | None = None) -> FeatureBatch:
        rows = torch.from_numpy(np.ascontiguousarray(features))
        width = self.n_features_in_ - self.audio_dim_
        audio = rows[:, width:] if self.audio_dim_ else torch.zeros(len(rows), 1)
        return FeatureBatch(rows[:, :width], audio, torch.ones(len(rows), dtype=torch.int64), targets)


def means(table: pd.DataFrame) -> NDArray[np.float32]:
    """The means of a table of features, pictures then sound: (N, 1152) float32 for N videos; 2176 without PCA."""
    if missing := [name for name in ("mean_rgb", "mean_audio") if name not in table.columns]:
        raise InputError(f"the table has no column {', '.join(missing)}: framemill.read gives it")
    if not len(table):
        raise InputError("the table has no videos")
    return np.hstack([np.stack(table[name].to_numpy()) for name in ("mean_rgb", "mean_audio")]).astype(np.float32)


def save(estimator: Any, checkpoint: Place, table: pd.DataFrame, *, class_names: Sequence[str] | None = None) -> None:
    """Write a fitted classifier as a checkpoint, which `framemill label`, `nightly` and `serve` take.

    Estimators of scikit-learn are saved with skops, without pickle; skops must also be installed where the checkpoint
    is used. Of a search, the best estimator is saved.

    Args:
        estimator: A classifier of one class for each video, with `predict_proba`, fitted to `means(table)`.
        checkpoint: Folder or URI to write to.
        table: Features it was fitted to, from `framemill.read`: others of the same fingerprint are labelled.
        class_names: The K names of its classes. By default those of the dataset's vocabulary where `classes_` are its
            indices, else `classes_` themselves.

    Raises:
        InputError: If the classifier gives no probabilities of classes that exclude each other, does not take these
            means, holds types that may run code when they are loaded, or the table has lost its fingerprint; or if the
            folder holds a training.

    Example:
        >>> import framemill
        >>> from framemill.sklearn import means, save
        >>> from sklearn.linear_model import LogisticRegression
        >>> table = framemill.read(features)
        >>> save(LogisticRegression().fit(means(table), ["cat", "dog", "cat"]), output, table)
        >>> framemill.load_classifier(output).classes
        ('cat', 'dog')
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    classes = getattr(estimator, "classes_", None)
    if classes is None or not hasattr(estimator, "predict_proba"):
        raise InputError(
            f"{type(estimator).__name__} is not a fitted classifier that gives probabilities (predict_proba)"
        )
    if FINGERPRINT not in table.attrs:
        raise InputError(
            "the table has lost the fingerprint that framemill.read gave it, as merging does: set table.attrs to those "
            "of the table that was read"
        )
    first = means(table.iloc[:8])  # which refuses a table without them
    rgb_dim, audio_dim = (len(table[name].iloc[0]) for name in ("mean_rgb", "mean_audio"))
    width = getattr(estimator, "n_features_in_", None)
    if width != rgb_dim + audio_dim:
        raise InputError(f"the classifier takes {width} features, and the table has {rgb_dim} + {audio_dim}")
    probabilities = np.asarray(estimator.predict_proba(first))
    if probabilities.ndim != 2 or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        raise InputError(
            "the classifier gives each video any number of classes: save takes those of one class for each"
        )
    is_ours = isinstance(estimator, VideoClassifier)
    indices = _indices(np.asarray(classes))
    if class_names is None and indices is not None:
        names = table.attrs.get(CLASSES, ())
        class_names = [names[index] if index < len(names) else str(index) for index in indices]
    try:
        config = CheckpointConfig(
            model=estimator.model if is_ours else MODEL,
            options={},
            num_classes=len(classes),
            class_names=tuple(map(str, classes if class_names is None else class_names)),
            class_indices=indices if indices is not None else tuple(range(len(classes))),
            rgb_dim=rgb_dim,
            audio_dim=audio_dim,
            level=VIDEO,
            task=SINGLE_LABEL,
            input_columns=("mean_rgb", "mean_audio"),
            feature_fingerprint=table.attrs[FINGERPRINT],
            temperature=1.0,
            metrics={},
            training={"library": "framemill" if is_ours else "scikit-learn", "videos": len(table)},
            seed=0,
        )
        state = dict(estimator.network_.state_dict()) if is_ours else estimator_state(estimator)
        contents = write_checkpoint(Checkpoint(config, state))
    except (CheckpointError, ValueError) as error:
        raise InputError(str(error)) from error
    place = os.fspath(checkpoint)
    trained = [name for name in OF_TRAINING if files.exists(files.join(place, name))]
    if trained:
        raise InputError(f"{place} holds a training ({', '.join(trained)}): give another folder")
    for name, content in contents.items():
        files.write_bytes(files.join(place, name), content)


def _indices(classes: NDArray[Any]) -> tuple[int, ...] | None:
    """Classes that can be indices of a data set, floats as well, as which pandas reads them where some are missing."""
    is_index = classes.dtype.kind in "iuf" and not (classes != np.floor(classes)).any()
    if not is_index or classes.min() < 0 or classes.max() > MAX_CLASS_INDEX:
        return None
    return tuple(map(int, classes))


def save_pca(pca: Any, path: Place) -> None:
    """Write scikit-learn's `PCA` or `IncrementalPCA`, fitted to 2048 Inception features, for `--pca PATH`.

    Components are divided by the square root of their variance, as YouTube-8M's are, whatever `pca.whiten` says. The
    features to fit to are those of `framemill extract --pca none`.

    Args:
        pca: Fitted, with as many components as features are to be kept, such as 1024.
        path: A new `.safetensors` file on this machine.

    Raises:
        InputError: If the path is of something else.
    """
    place = local_path(path)
    if not place.endswith(".safetensors"):
        raise InputError(f"{place} must be named .safetensors")
    rows = getattr(pca, "n_samples_seen_", None) or pca.n_samples_
    variance = np.asarray(pca.explained_variance_, np.float64) * (rows - 1) / rows  # of the rows, as ours is
    scale = np.sqrt(variance + EIGENVALUE_OFFSET)
    matrix = (np.asarray(pca.components_, np.float64) / scale[:, None]).T
    write_pca(Pca(np.asarray(pca.mean_, np.float32), matrix.astype(np.float32)), Path(place))

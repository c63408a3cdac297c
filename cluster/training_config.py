"""What `jobs/train_classifier.py` can be told, and what follows from it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from classifiers.class_choice import ALL
from classifiers.learning_rate import DECAYS, LearningRateSchedule
from classifiers.losses import SINGLE_LABEL, TASKS
from classifiers.optimizers import OPTIMIZERS, OptimizerConfig
from classifiers.registry import model_config, model_entry, model_names
from classifiers.splits import HashSplit
from classifiers.training import MONITORS, PRECISIONS, TrainingConfig
from cluster import storage
from cluster.command_line import option
from cluster.run_log import without_secrets

HASH, COLUMN, FOLDERS = SPLIT_KINDS = ("hash", "column", "folders")
RAY, LOCAL = ENGINES = ("ray", "local")
AUTO, CPU, GPU = DEVICES = ("auto", "cpu", "gpu")
# Options that say where and how loudly a training runs, and nothing of what comes out.
OF_NO_CONSEQUENCE = ("output", "engine", "address", "device", "cpus_per_worker", "quiet", "log_format")


@dataclass(frozen=True)
class ClassifierTrainingConfig:
    """One training of a classifier, by its options."""

    features: tuple[str, ...] = option("datasets, folders, globs or files of feature shards, or of .tfrecord")
    output: str = option("folder or URI for the checkpoint, the report and the logs; what is there is gone on with")
    model: str = option("which network", "dense-5", choices=model_names())
    model_options: tuple[str, ...] = option("the model's own numbers as NAME=VALUE, such as shared_hidden=[60,60]", ())
    classes: tuple[str, ...] = option("all of the vocabulary, first:50, names, or indices", (ALL,))
    vocabulary: str | None = option("names of the classes; by default vocabulary.csv beside the features", None)
    task: str = option("one class a video, its first label, or any number of them", SINGLE_LABEL, choices=TASKS)
    balance: bool = option("train on as many videos of each class as the rarest has", False)
    split: str = option("how videos are shared out: by their ids, by a column, or by folder", HASH, choices=SPLIT_KINDS)
    split_column: str = option("with --split column: its name in the shards", "split")
    split_seed: int = option("with --split hash: another one gives another division", 0)
    fractions: tuple[str, ...] = option("with --split hash: of training, validation and test", ("0.7", "0.15", "0.15"))
    validation_features: tuple[str, ...] = option("with --split folders: where those of validation are", ())
    test_features: tuple[str, ...] = option("with --split folders: likewise of the test", ())
    max_frames: int | None = option("models of frames see the first so many of a video", None)
    epochs: int = option("passes over the training split", 20)
    batch_size: int = option("videos in a step, of each worker", 256)
    optimizer: str = option("by name", "rmsprop", choices=tuple(OPTIMIZERS))
    learning_rate: float = option("at its highest", 1e-3)
    momentum: float = option("of rmsprop and sgd", 0.0)
    weight_decay: float = option("of adamw and sgd", 0.0)
    schedule: str = option("of the learning rate, after the warm-up", "constant", choices=tuple(DECAYS))
    warmup_steps: int = option("in which the learning rate rises from nearly nothing", 0)
    decay_epochs: float = option("with --schedule exponential or step: after which comes the next factor", 1.0)
    decay_rate: float = option("with --schedule exponential or step: the factor", 0.9)
    decay_floor: float = option("the share of the learning rate below which no schedule goes", 0.0)
    l1: float = option("penalty on the sum of the weights' absolute values", 0.0)
    l2: float = option("penalty on the sum of their squares", 0.0)
    label_smoothing: float = option("how much of each target is spread over all classes", 0.0)
    class_weights: str = option("of each class in the loss", "none", choices=("none", "balanced"))
    max_gradient_norm: float | None = option("to which longer gradients are cut", None)
    precision: str = option("of the arithmetic; weights are always fp32", "fp32", choices=tuple(PRECISIONS))
    monitor: str = option("what of the validation split says which epoch is best", "loss", choices=tuple(MONITORS))
    patience: int | None = option("stop after so many epochs without a better one", None)
    seed: int = option("of weights, order and dropout", 0)
    workers: int = option("processes that train together, each on its own share of the videos", 1)
    cpus_per_worker: int | None = option("CPU cores of each; by default all that there are, shared out evenly", None)
    device: str = option("what the workers compute on; auto: GPUs where there are enough", AUTO, choices=DEVICES)
    engine: str = option("Ray Train, or this process alone", RAY, choices=ENGINES)
    address: str | None = option("of a Ray cluster; by default RAY_ADDRESS, or a new one on this machine", None)
    quiet: bool = option("no progress", False)
    log_format: str = option("of progress on a server", "text", choices=("text", "json"))

    def __post_init__(self) -> None:
        """Check everything, so that all that is wrong is told at once."""
        problems = [
            f"{name.replace('_', '-')} must be at least 1, not {getattr(self, name)}"
            for name in ("batch_size", "workers", "cpus_per_worker", "max_frames")
            if getattr(self, name) is not None and getattr(self, name) < 1
        ]
        problems += [
            f"{name.replace('_', '-')} must not be empty"
            for name in ("features", "output", "classes")
            if not getattr(self, name) or not all(getattr(self, name))
        ]
        if not 0 <= self.label_smoothing < 1:
            problems.append(f"label-smoothing must be at least 0 and below 1, not {self.label_smoothing}")
        if self.split != FOLDERS and (self.validation_features or self.test_features):
            problems.append("validation-features and test-features go with --split folders")
        if self.split == FOLDERS and not self.validation_features:
            problems.append("--split folders needs --validation-features")
        if self.balance and self.task != SINGLE_LABEL:
            problems.append("videos with several labels cannot be balanced: take --class-weights balanced")
        if self.engine == LOCAL and self.workers > 1:
            problems.append(f"--engine local has one worker, not {self.workers}: take --engine ray")
        parts = (self.hash_split, self.model_config, self.optimizer_config, self._training_config)
        checks: list[Callable[[], object]] = [*parts]
        if 0 < self.decay_epochs < math.inf:
            checks.append(partial(self.schedule_config, 1))
        else:
            problems.append(f"decay-epochs must be above 0, not {self.decay_epochs}")
        for check in checks:
            try:
                check()
            except ValueError as error:
                problems.append(str(error))
        if problems:
            raise ValueError("\n".join(problems))

    @property
    def level(self) -> str:
        """What the model looks at: `video` (means) or `frame`."""
        return model_entry(self.model).model.level

    def hash_split(self) -> HashSplit:
        """How ids are shared out."""
        try:
            train, validation, test = map(float, self.fractions)
        except ValueError:
            raise ValueError(f"fractions are three numbers, not {' '.join(self.fractions)}") from None
        return HashSplit(train=train, validation=validation, test=test, seed=self.split_seed)

    def model_config(self) -> Any:
        """The model's numbers."""
        wrong = [text for text in self.model_options if "=" not in text]
        if wrong:
            raise ValueError(f"model-options are NAME=VALUE, not {', '.join(map(repr, wrong))}")
        pairs = (text.split("=", 1) for text in self.model_options)
        return model_config(self.model, {name: _value(text) for name, text in pairs})

    def optimizer_config(self) -> OptimizerConfig:
        """The optimizer's numbers."""
        return OptimizerConfig(
            name=self.optimizer,
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
        )

    def schedule_config(self, steps_per_epoch: int) -> LearningRateSchedule:
        """The learning rate's course; what options say in epochs becomes steps."""
        all_steps = max(self.epochs * steps_per_epoch - self.warmup_steps, 1)
        return LearningRateSchedule(
            decay=self.schedule,
            warmup_steps=self.warmup_steps,
            decay_steps=all_steps if self.schedule == "cosine" else max(round(self.decay_epochs * steps_per_epoch), 1),
            decay_rate=self.decay_rate,
            floor=self.decay_floor,
        )

    def training_config(self, steps_per_epoch: int, class_weights: tuple[float, ...] | None) -> TrainingConfig:
        """How the classifier is trained."""
        return replace(
            self._training_config(),
            optimizer=self.optimizer_config(),
            schedule=self.schedule_config(steps_per_epoch),
            class_weights=class_weights,
        )

    def _training_config(self) -> TrainingConfig:
        return TrainingConfig(
            epochs=self.epochs,
            l1=self.l1,
            l2=self.l2,
            label_smoothing=self.label_smoothing,
            max_gradient_norm=self.max_gradient_norm,
            precision=self.precision,
            monitor=self.monitor,
            patience=self.patience,
            seed=self.seed,
        )

    def resolved(self) -> ClassifierTrainingConfig:
        """The same with absolute paths: workers have a working directory of their own."""
        return replace(
            self,
            output=_resolved(self.output),
            vocabulary=None if self.vocabulary is None else _resolved(self.vocabulary),
            features=tuple(map(_resolved, self.features)),
            validation_features=tuple(map(_resolved, self.validation_features)),
            test_features=tuple(map(_resolved, self.test_features)),
        )

    def identity(self) -> Mapping[str, Any]:
        """What must be equal for a training to be the same one, as JSON gives it back."""
        options = {key: value for key, value in asdict(self).items() if key not in OF_NO_CONSEQUENCE}
        values: dict[str, Any] = json.loads(json.dumps(without_secrets(options)))
        return values


def _resolved(uri: str) -> str:
    return storage.local_path(uri) if storage.is_local(uri) else uri


def _value(text: str) -> Any:
    """A number, a list, true or false as JSON has them; anything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text

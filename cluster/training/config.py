"""What `jobs/train_classifier.py` can be told, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from classifiers.clip_models.registry import clip_model_config, clip_model_names
from classifiers.data.class_choice import ALL
from classifiers.data.splits import HashSplit
from classifiers.feature_models.registry import model_config, model_entry, model_names
from classifiers.losses import SINGLE_LABEL, TASKS
from classifiers.training.learning_rate import DECAYS
from classifiers.training.loop import MONITORS, PRECISIONS, TrainingConfig
from classifiers.training.optimizers import OPTIMIZERS
from cluster.runs.command_line import named_values, option
from cluster.runs.provenance import without_secrets
from cluster.storage import files
from cluster.training.clip_options import ClipOptions, clip_options
from cluster.training.initial_weights import AUTO as AUTO_HEAD
from cluster.training.initial_weights import HEADS
from cluster.training.phases import (
    NO_RECIPE,
    RECIPES,
    TRANSFER_LEARNING_RATE,
    TRANSFER_LEARNING_RATES,
    PhaseOptions,
    phases_of,
    recipe_phases,
)
from extractors.clips.sampling import PLACEMENTS, SHORT

FEATURES, CLIPS = "features", "clips"
HASH, COLUMN, FOLDERS = SPLIT_KINDS = ("hash", "column", "folders")
RAY, LOCAL = ENGINES = ("ray", "local")
AUTO, CPU, GPU = DEVICES = ("auto", "cpu", "gpu")
EPOCHS, LEARNING_RATE = 20, 1e-3
BATCH_SIZES = {FEATURES: 256, CLIPS: 8}
# Options that say where and how loudly a training runs, and nothing of what comes out.
OF_NO_CONSEQUENCE = (
    *("output", "engine", "address", "device", "cpus_per_worker", "quiet", "log_format"),
    *("recompute", "decoders", "time_limit", "memory_limit_mib", "keep_frozen_mib"),
)
# Options that mean something for the one kind of data alone.
OF_FEATURES = ("split_column", "validation_features", "test_features", "max_frames")
OF_CLIPS = (
    *("placement", "short", "start_seconds", "speed", "random_crop", "augment", "fps", "views", "crops"),
    *("recipe", "recompute", "decoders", "clip_cache", "time_limit"),
    *("memory_limit_mib", "keep_frozen_mib", "max_failure_ratio"),
)


@dataclass(frozen=True)
class ClassifierTrainingConfig:
    """One training of a classifier, by its options. Of `features` and `videos`, one is given."""

    output: str = option("folder or URI for the checkpoint, the report and the logs; what is there is gone on with")
    features: tuple[str, ...] = option("datasets, folders, globs or files of feature shards, or of .tfrecord", ())
    videos: str | None = option("instead of features: a manifest (CSV, JSONL, Parquet), or a folder of videos", None)
    model: str = option(
        "which network: the first ones take features, the others clips",
        "dense-5",
        choices=(*model_names(), *clip_model_names()),
    )
    model_options: tuple[str, ...] = option("the model's own numbers as NAME=VALUE, such as shared_hidden=[60,60]", ())
    init_weights: str | None = option("weights to start from: a checkpoint of the same model, or a public file", None)
    init_head: str = option(
        "the head of --init-weights: auto keeps it where its classes are the same",
        AUTO_HEAD,
        choices=HEADS,
    )
    classes: tuple[str, ...] = option("all of the vocabulary, first:50, names, or indices", (ALL,))
    vocabulary: str | None = option("names of the classes; by default vocabulary.csv beside the features", None)
    task: str = option("one class a video, its first label, or any number of them", SINGLE_LABEL, choices=TASKS)
    balance: bool = option("train on as many videos of each class as the rarest has", False)
    split: str = option(
        "how videos are shared out: by their ids (hash), by a column, or by folder; by default the column split of a "
        "manifest of --videos that has one, else hash",
        None,
        choices=SPLIT_KINDS,
    )
    split_column: str = option("with --split column: its name in the shards", "split")
    split_seed: int = option("with --split hash: another one gives another division", 0)
    fractions: tuple[str, ...] = option("with --split hash: of training, validation and test", ("0.7", "0.15", "0.15"))
    validation_features: tuple[str, ...] = option("with --split folders: where those of validation are", ())
    test_features: tuple[str, ...] = option("with --split folders: likewise of the test", ())
    max_frames: int | None = option("models of frames see the first so many of a video", None)
    recipe: str = option(
        "transfer: first the head alone, then the last three stages at a tenth of the learning rate",
        NO_RECIPE,
        choices=RECIPES,
    )
    phases: tuple[str, ...] = option(
        "one after the other, each as 'epochs=20 stages=1 optimizer=sgd learning-rate=0.1': stages is how many of the "
        "last are trained, or all; what is left out is as the other options say",
        (),
    )
    placement: str = option("which frames of a video make its clip", "central", choices=PLACEMENTS)
    short: str = option("what becomes of videos shorter than a clip", "loop", choices=SHORT)
    start_seconds: float = option("with --placement start: where", 0.0)
    speed: tuple[str, ...] = option("with --placement random: the slowest and the fastest", ("1", "1"))
    augment: tuple[str, ...] = option(
        "changes of clips in training, on the device that trains, as NAME=VALUE: flip=0.5 rotation=0.3 colour=0.8 …", ()
    )
    random_crop: bool = option("show any part of a frame in training, instead of its middle", False)
    fps: str | None = option("frames a second of a clip; by default those that the model was made for", None)
    views: int = option("clips of a video that scoring averages; training looks at one", 1)
    crops: int = option("of each of these: 1, or 3 along the longer side", 1)
    epochs: int = option(f"passes over the training split; by default {EPOCHS}, or those of the phases", None)
    batch_size: int = option("videos in a batch, of each worker; by default 256, of clips 8", None)
    accumulate: int = option("batches whose gradients make one step", 1)
    optimizer: str = option("by name", "rmsprop", choices=tuple(OPTIMIZERS))
    learning_rate: float = option("at its highest; by default 1e-3, with a recipe that of the recipe", None)
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
    recompute: bool = option("compute stages again for the gradients, instead of remembering all they gave", False)
    decoders: int | None = option("processes of each worker that decode; by default one a core", None)
    clip_cache: str | None = option("folder or URI for decoded clips, for several epochs or trainings to share", None)
    time_limit: float = option("seconds that one clip may take to decode", 60.0)
    memory_limit_mib: int = option("MiB that one clip may take to decode", 2048)
    keep_frozen_mib: int = option("MiB, of each worker, for what frozen stages make of clips that stay the same", 1024)
    max_failure_ratio: float = option("stop where more of the videos cannot be decoded", 0.1)
    engine: str = option("Ray Train, or this process alone", RAY, choices=ENGINES)
    address: str | None = option("of a Ray cluster; by default RAY_ADDRESS, or a new one on this machine", None)
    quiet: bool = option("no progress", False)
    log_format: str = option("of progress on a server", "text", choices=("text", "json"))

    def __post_init__(self) -> None:
        """Fill in what depends on other options, and check everything, so that all that is wrong is told at once."""
        epochs = self.epochs
        # A frozen instance sets its own fields like this.
        for name, default in (
            ("batch_size", BATCH_SIZES[self.kind]),
            ("learning_rate", self._default_learning_rate()),
            ("epochs", EPOCHS),
            ("split", HASH if self.kind == FEATURES else None),
        ):
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)
        problems = [
            f"{name.replace('_', '-')} must be at least 1, not {getattr(self, name)}"
            for name in ("batch_size", "accumulate", "workers", "cpus_per_worker", "max_frames", "decoders")
            if getattr(self, name) is not None and getattr(self, name) < 1
        ]
        problems += [
            f"{name.replace('_', '-')} must not be empty"
            for name in ("output", "classes")
            if not getattr(self, name) or not all(getattr(self, name))
        ]
        problems += self._problems_of_kind()
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
        checks: list[Callable[[], object]] = [self.hash_split, self.model_config, self._training_config]
        if self.kind == CLIPS and self.model in clip_model_names():
            checks[1] = self.clip_options
        for check in checks:
            try:
                check()
            except ValueError as error:
                problems.append(str(error))
        try:
            total = sum(phase.epochs for phase in self.phase_options())
            if epochs not in (None, total):
                problems.append(f"epochs is {epochs}, but those of the phases are {total}: leave --epochs out")
            object.__setattr__(self, "epochs", total)
        except ValueError as error:
            problems.append(str(error))
        if problems:
            raise ValueError("\n".join(problems))

    def _problems_of_kind(self) -> list[str]:
        """What does not go together with the kind of data."""
        if bool(self.features) == (self.videos is not None) or (self.features and not all(self.features)):
            return ["give --features or --videos, one of them"]
        problems = []
        if (self.model in model_names()) != (self.kind == FEATURES):
            names, noun = (
                (model_names(), "features") if self.kind == FEATURES else (clip_model_names(), "clips of --videos")
            )
            problems.append(f"model {self.model!r} does not take {noun}; those that do: {', '.join(names)}")
        defaults = {field.name: field.default for field in fields(self)}
        problems += [
            f"--{name.replace('_', '-')} goes with --{'features' if self.kind == CLIPS else 'videos'}"
            for name in (OF_FEATURES if self.kind == CLIPS else OF_CLIPS)
            if getattr(self, name) != defaults[name]
        ]
        if self.kind == CLIPS and self.split == FOLDERS:
            problems.append(
                "--split folders goes with --features; a manifest's column split says as much: --split column"
            )
        if self.init_head != AUTO_HEAD and self.init_weights is None:
            problems.append("--init-head goes with --init-weights")
        if self.phases and self.recipe != NO_RECIPE:
            problems.append(f"--recipe {self.recipe} has its own phases: leave --phases out")
        return problems

    @property
    def kind(self) -> str:
        """What is trained on: `FEATURES` or `CLIPS`."""
        return FEATURES if self.videos is None else CLIPS

    @property
    def level(self) -> str:
        """What the model looks at: `video` (means), `frame` or `clip`."""
        return "clip" if self.kind == CLIPS else model_entry(self.model).model.level

    def hash_split(self) -> HashSplit:
        """How ids are shared out."""
        try:
            train, validation, test = map(float, self.fractions)
        except ValueError:
            raise ValueError(f"fractions are three numbers, not {' '.join(self.fractions)}") from None
        return HashSplit(train=train, validation=validation, test=test, seed=self.split_seed)

    def model_config(self) -> Any:
        """The model's numbers."""
        make = clip_model_config if self.model in clip_model_names() else model_config
        return make(self.model, named_values("model-options", self.model_options))

    def clip_options(self) -> ClipOptions:
        """How clips are taken from videos."""
        return clip_options(self)

    def phase_options(self) -> tuple[PhaseOptions, ...]:
        """The phases, their lengths in epochs."""
        names = [field.name for field in fields(PhaseOptions) if field.name != "stages"]
        given = PhaseOptions(**{name: getattr(self, name) for name in names})
        given.phase(1)  # for its checks
        phases = phases_of(self.phases or recipe_phases(self.recipe, given.learning_rate), given) or (given,)
        if self.kind == FEATURES and any(phase.stages is not None for phase in phases):
            raise ValueError("models of features have no stages: leave stages out of the phases")
        return phases

    def training_config(self, batches_per_epoch: int, class_weights: tuple[float, ...] | None) -> TrainingConfig:
        """How the classifier is trained."""
        phases = tuple(phase.phase(-(-batches_per_epoch // self.accumulate)) for phase in self.phase_options())
        return replace(self._training_config(), phases=phases, class_weights=class_weights)

    def _default_learning_rate(self) -> float:
        if self.recipe == NO_RECIPE:
            return LEARNING_RATE
        return TRANSFER_LEARNING_RATES.get(self.model, TRANSFER_LEARNING_RATE)

    def _training_config(self) -> TrainingConfig:
        return TrainingConfig(
            accumulate=self.accumulate,
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
            videos=None if self.videos is None else _resolved(self.videos),
            clip_cache=None if self.clip_cache is None else _resolved(self.clip_cache),
            init_weights=None if self.init_weights is None else _resolved(self.init_weights),
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
    return files.local_path(uri) if files.is_local(uri) else uri

"""Groups of options of `jobs/train_classifier.py`: model, classes, splits, optimisation and engine.

Options of clips are in `cluster.training.clip_options`. Neither of them imports torch before options are checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from classifiers.choices import (
    CLIP_MODELS,
    FEATURE_MODELS,
    FP32,
    LIP_MODELS,
    MONITORS,
    OPTIMIZERS,
    PRECISIONS,
    SINGLE_LABEL,
    TASKS,
)
from classifiers.data.class_choice import ALL
from classifiers.data.splits import HashSplit
from classifiers.training.learning_rate import DECAYS
from cluster.engines.options import LOCAL, RAY, EngineOptions
from cluster.runs.common_options import ReportingOptions
from cluster.runs.option import named_values, option
from cluster.runs.options import Options
from cluster.training.phases import (
    LIPNET,
    LIPNET_LEARNING_RATE,
    NO_RECIPE,
    RECIPES,
    TRANSFER_LEARNING_RATE,
    TRANSFER_LEARNING_RATES,
    PhaseSettings,
    phases_of,
    recipe_phases,
)

if TYPE_CHECKING:
    from classifiers.training.config import TrainingConfig

FEATURES, VIDEOS = "features", "videos"  # options that others go with
HASH, COLUMN, FOLDERS = SPLIT_KINDS = ("hash", "column", "folders")
AUTO, CPU, GPU = DEVICES = ("auto", "cpu", "gpu")
AUTO_HEAD, KEEP_HEAD, RESET_HEAD = HEADS = ("auto", "keep", "reset")
EPOCHS, LEARNING_RATE = 20, 1e-3


@dataclass(frozen=True)
class ModelOptions(Options):
    """The network, and the weights that it starts from."""

    model: str = option(
        "dense-5",
        help="name of the network: the first ones take features, those from c3d on take clips, the last two read lips",
        choices=(*FEATURE_MODELS, *CLIP_MODELS, *LIP_MODELS),
        common=True,
    )
    model_options: tuple[str, ...] = option(
        (), help="hyperparameters of the model as NAME=VALUE, such as shared_hidden=[60,60]"
    )
    init_weights: str | None = option(
        None, help="weights to start from: a checkpoint of the same model, or a public file"
    )
    init_head: str = option(
        AUTO_HEAD,
        help="head of --init-weights: auto keeps it if its classes, or its alphabet, are the same",
        choices=HEADS,
        goes_with="init_weights",
    )
    max_frames: int | None = option(
        None, help="use only so many of a video's first frames, with models of frames", minimum=1, goes_with=FEATURES
    )

    @property
    def takes_clips(self) -> bool:
        """Whether the model looks at clips."""
        return self.model in CLIP_MODELS

    @property
    def reads_lips(self) -> bool:
        """Whether the model looks at mouths."""
        return self.model in LIP_MODELS

    def config(self) -> Any:
        """The model's numbers; raises `ValueError` for those that it does not take."""
        from classifiers.clip_models.registry import clip_model_config  # brings torch, which help does without
        from classifiers.feature_models.registry import model_config
        from classifiers.lip_models.registry import lip_model_config

        make: Any = clip_model_config if self.takes_clips else lip_model_config if self.reads_lips else model_config
        return make(self.model, named_values("model-options", self.model_options))


@dataclass(frozen=True)
class ClassOptions(Options):
    """Which classes the classifier distinguishes, and how they are weighted."""

    classes: tuple[str, ...] = option(
        (ALL,), help="classes: all of the vocabulary, first:50, names, or indices", filled=True, common=True
    )
    labels: str | None = option(
        None,
        help="manifest with the columns id and labels, which replace the labels of the features or videos; its column "
        "split, if it has one, replaces theirs",
        filled=True,
        common=True,
    )
    vocabulary: str | None = option(
        None,
        help="file with the names of the classes; by default vocabulary.csv beside the features or the manifest",
    )
    task: str = option(
        SINGLE_LABEL, help="one class a video (its first label), or any number of classes", choices=TASKS
    )
    balance: bool = option(False, help="train on as many videos of each class as the rarest class has")
    class_weights: str = option("none", help="weights of the classes in the loss", choices=("none", "balanced"))


@dataclass(frozen=True)
class SplitOptions(Options):
    """Which videos are for training, validation and test."""

    split: str | None = option(
        None,
        help="how videos are split: by a hash of their ids, by a column, or by folder; by default the column split of "
        "a manifest of --labels or --videos that has one, else hash",
        choices=SPLIT_KINDS,
        common=True,
    )
    split_column: str = option(
        "split", help="with --split column: name of the column in the shards", goes_with=FEATURES
    )
    split_seed: int = option(0, help="with --split hash: seed of the split")
    fractions: tuple[str, ...] = option(
        ("0.7", "0.15", "0.15"), help="with --split hash: fractions of training, validation and test"
    )
    validation_features: tuple[str, ...] = option(
        (), help="with --split folders: features of the validation split", goes_with=FEATURES
    )
    test_features: tuple[str, ...] = option(
        (), help="with --split folders: features of the test split", goes_with=FEATURES
    )

    def hash_split(self) -> HashSplit:
        """The fractions of a split by hash; raises `ValueError` for those that are none."""
        try:
            training, validation, test = map(float, self.fractions)
        except ValueError:
            raise ValueError(f"fractions are three numbers, not {' '.join(self.fractions)}") from None
        return HashSplit(training=training, validation=validation, test=test, seed=self.split_seed)


@dataclass(frozen=True)
class OptimisationOptions(Options):
    """How the network is trained."""

    epochs: int | None = option(
        None, help=f"passes over the training split; by default {EPOCHS}, or those of the phases", common=True
    )
    batch_size: int | None = option(
        None, help="videos in a batch, of each worker; by default 256, of clips 8", minimum=1, common=True
    )
    learning_rate: float | None = option(
        None, help="highest learning rate; by default 1e-3, or that of the recipe", common=True
    )
    optimizer: str = option("rmsprop", help="optimizer", choices=OPTIMIZERS, common=True)
    recipe: str = option(
        NO_RECIPE,
        help="transfer: train the head first, then the last three stages at a tenth of the learning rate; lipnet: Adam "
        "at 1e-4 for 30 epochs, then 70 in which the rate falls",
        choices=RECIPES,
        goes_with=VIDEOS,
        common=True,
    )
    phases: tuple[str, ...] = option(
        (),
        help="phases of training, one after the other, each as 'epochs=20 stages=1 optimizer=sgd learning-rate=0.1': "
        "stages is how many of the last stages are trained, or all; other options give what a phase leaves out",
    )
    accumulate: int = option(1, help="batches whose gradients are accumulated for one step", minimum=1)
    momentum: float = option(0.0, help="momentum of rmsprop and sgd")
    weight_decay: float = option(0.0, help="weight decay of adamw and sgd")
    schedule: str = option("constant", help="schedule of the learning rate after the warm-up", choices=tuple(DECAYS))
    warmup_steps: int = option(0, help="steps in which the learning rate rises from nearly zero")
    hold_epochs: float = option(
        0.0, help="with any schedule: epochs after the warm-up before the rate falls", minimum=0
    )
    decay_epochs: float = option(1.0, help="with --schedule exponential or step: epochs between two decays")
    decay_rate: float = option(0.9, help="with --schedule exponential or step: factor of each decay")
    decay_floor: float = option(0.0, help="lowest learning rate of any schedule, as a fraction of the highest")
    l1: float = option(0.0, help="penalty on the sum of the absolute weights")
    l2: float = option(0.0, help="penalty on the sum of the squared weights")
    label_smoothing: float = option(
        0.0, help="fraction of each target that is spread over all classes", minimum=0, below=1
    )
    max_gradient_norm: float | None = option(None, help="clip gradients to this norm")
    precision: str = option(
        AUTO,
        help="precision of the arithmetic; weights are always fp32; auto: bf16 on CPUs that have it, for models that "
        "lose nothing by it, else fp32",
        choices=(AUTO, *PRECISIONS),
    )
    monitor: str | None = option(
        None,
        help="measure on the validation split that selects the best epoch; by default loss, of lip readers "
        "word_error_rate",
        choices=tuple(MONITORS),
    )
    patience: int | None = option(None, help="stop after so many epochs without improvement")
    seed: int = option(0, help="random seed of weights, order and dropout")

    @property
    def given_precision(self) -> str:
        """By name; fp32 for auto, which may choose another (`cluster.training.precision`)."""
        return FP32 if self.precision == AUTO else self.precision

    def highest_learning_rate(self, model: str) -> float:
        """The learning rate that is given, or that of the recipe."""
        if self.learning_rate is not None:
            return self.learning_rate
        if self.recipe == NO_RECIPE:
            return LEARNING_RATE
        if self.recipe == LIPNET:
            return LIPNET_LEARNING_RATE
        return TRANSFER_LEARNING_RATES.get(model, TRANSFER_LEARNING_RATE)

    def phase_settings(self, model: str) -> tuple[PhaseSettings, ...]:
        """The phases, at least one, their lengths in epochs; raises `ValueError` with everything wrong with them."""
        given = PhaseSettings(
            epochs=EPOCHS if self.epochs is None else self.epochs,
            optimizer=self.optimizer,
            learning_rate=self.highest_learning_rate(model),
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            warmup_steps=self.warmup_steps,
            hold_epochs=self.hold_epochs,
            decay_epochs=self.decay_epochs,
            decay_rate=self.decay_rate,
            decay_floor=self.decay_floor,
        )
        given.phase(1)  # for its checks
        phases = phases_of(self.phases or recipe_phases(self.recipe, given.learning_rate, self.epochs), given) or (
            given,
        )
        total = sum(phase.epochs for phase in phases)
        if self.epochs not in (None, total):
            raise ValueError(f"epochs is {self.epochs}, but those of the phases are {total}: leave --epochs out")
        return phases

    def training_config(self) -> TrainingConfig:
        """All but phases and class weights; raises `ValueError` for numbers that are out of range."""
        from classifiers.training.config import TrainingConfig  # brings torch

        return TrainingConfig(
            accumulate=self.accumulate,
            l1=self.l1,
            l2=self.l2,
            label_smoothing=self.label_smoothing,
            max_gradient_norm=self.max_gradient_norm,
            precision=self.given_precision,
            monitor=self.monitor or "loss",
            patience=self.patience,
            seed=self.seed,
        )


@dataclass(frozen=True)
class TrainingReportingOptions(ReportingOptions):
    """What a training logs, and what its report shows."""

    without_pictures: bool = option(False, help="leave frames of mistaken and of lip-read videos out of the report")


@dataclass(frozen=True)
class TrainingEngineOptions(EngineOptions):
    """Of the engines, what training offers; its workers train together, and their number is fixed."""

    engine: str = option(
        RAY, help="where the training runs: Ray Train, or this process", choices=(RAY, LOCAL), common=True
    )
    workers: int = option(
        1, help="number of processes that train together, each on its own part of the videos", minimum=1, common=True
    )
    beam_options: tuple[str, ...] = ()
    pools: str = "auto"
    embed_workers: int | None = None
    time_limit: float = option(60.0, help="seconds that decoding one clip may take", above=0, goes_with=VIDEOS)
    memory_limit_mib: int = option(
        2048, help="MiB of memory that decoding one clip may take", minimum=1, goes_with=VIDEOS
    )
    cluster_wait: float = 600.0
    device: str = option(
        AUTO, help="device of the workers; auto: GPUs where there are enough", choices=DEVICES, common=True
    )
    cpus_per_worker: int | None = option(
        None, help="CPU cores of each worker; by default an equal share of all cores", minimum=1
    )
    decoders: int | None = option(
        None,
        help="decoding processes of each worker; by default one for each of its cores",
        minimum=1,
        goes_with=VIDEOS,
    )
    recompute: bool = option(
        False, help="recompute stages for the gradients instead of keeping their activations", goes_with=VIDEOS
    )
    keep_frozen_mib: int = option(
        1024,
        help="MiB of memory of each worker for the output of frozen stages, where clips stay the same between epochs",
        minimum=0,
        goes_with=VIDEOS,
    )

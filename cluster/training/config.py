"""Options of `jobs/train_classifier.py`, and the settings that follow from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from classifiers.choices import (
    CLIP_MODELS,
    FEATURE_MODELS,
    LIP_MODELS,
    LIP_MONITORS,
    SINGLE_LABEL,
    TRANSCRIPTION,
    WORD_ERROR_RATE,
)
from cluster.engines.options import LOCAL
from cluster.features.record_options import RecordOptions
from cluster.runs.common_options import AccessOptions, FolderOptions, read_policy
from cluster.runs.option import option
from cluster.runs.options import Options, attempt, options_of
from cluster.runs.provenance import without_secrets
from cluster.storage import files
from cluster.storage.read_policy import ReadPolicy
from cluster.training.clip_options import ClipOptions, ClipSettings
from cluster.training.lip_options import LipOptions, LipSettings
from cluster.training.option_groups import (
    COLUMN,
    FOLDERS,
    HASH,
    ClassOptions,
    ModelOptions,
    OptimisationOptions,
    SplitOptions,
    TrainingEngineOptions,
    TrainingReportingOptions,
)
from cluster.training.phases import LIPNET, NO_RECIPE, PhaseSettings

if TYPE_CHECKING:
    from classifiers.training.config import TrainingConfig

FEATURES, CLIPS, LIPS = "features", "clips", "lips"
BATCH_SIZES = {FEATURES: 256, CLIPS: 8, LIPS: 8}
OF_ALL_FRAMES = ("augment", "clip_cache", "max_failure_ratio")  # of the options of clips, those of mouths as well
# Groups that decide where a training runs and what it logs, but not what comes out; `workers` is the exception. What
# videos there are is compared by itself.
OF_NO_CONSEQUENCE = ("engine", "folders", "access", "reporting")


@dataclass(frozen=True)
class TrainingOptions(Options):
    """One training of a classifier on `features` or on clips of `videos`, or of a lip reader on their mouths."""

    output: str = option(
        help="folder or URI for the checkpoint, the report and the logs; an unfinished training there is resumed",
        filled=True,
        is_written=True,
        common=True,
    )
    features: tuple[str, ...] = option(
        (), help="datasets, folders, globs or files of features (.parquet or .tfrecord)", common=True
    )
    videos: str | None = option(
        None, help="instead of features: a manifest (CSV, JSONL, Parquet), or a folder of videos", common=True
    )
    folders: FolderOptions = field(default_factory=FolderOptions)
    access: AccessOptions = field(default_factory=AccessOptions)
    records: RecordOptions = field(default_factory=RecordOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    classes: ClassOptions = field(default_factory=ClassOptions)
    splits: SplitOptions = field(default_factory=SplitOptions)
    clips: ClipOptions = field(default_factory=ClipOptions)
    lips: LipOptions = field(default_factory=LipOptions)
    optimisation: OptimisationOptions = field(default_factory=OptimisationOptions)
    engine: TrainingEngineOptions = field(default_factory=TrainingEngineOptions)
    reporting: TrainingReportingOptions = field(default_factory=TrainingReportingOptions)

    @override
    def conflicts(self) -> list[str]:
        problems = self._conflicts_of_kind()
        splits, optimisation = self.splits, self.optimisation
        if splits.split != FOLDERS and (splits.validation_features or splits.test_features):
            problems.append("validation-features and test-features go with --split folders")
        if splits.split == FOLDERS and not splits.validation_features:
            problems.append("--split folders needs --validation-features")
        if self.classes.balance and self.classes.task != SINGLE_LABEL:
            problems.append("videos with several labels cannot be balanced: take --class-weights balanced")
        if self.engine.engine == LOCAL and self.engine.workers > 1:
            problems.append(f"--engine local has one worker, not {self.engine.workers}: take --engine ray")
        attempt(splits.hash_split, problems)
        native = attempt(self.model.config, problems)
        if self.kind == CLIPS and self.model.takes_clips and native is not None:
            attempt(lambda: self.clips.settings(self.model.model, native.clip_format()), problems)
        if self.kind == LIPS and native is not None:
            attempt(lambda: self.lips.settings(native.lip_input(), self.clips.augment), problems)
        attempt(optimisation.training_config, problems)
        phases = attempt(lambda: optimisation.phase_settings(self.model.model), problems)
        if self.kind == FEATURES and any(phase.stages is not None for phase in phases or ()):
            problems.append("models of features have no stages: leave stages out of the phases")
        return problems

    def _conflicts_of_kind(self) -> list[str]:
        if bool(self.features) == (self.videos is not None) or not all(self.features):
            return ["give --features or --videos, one of them"]
        problems = []
        if self.kind == FEATURES:
            problems += [f"--{name} goes with --videos" for name in self.folders.given()]
        if self.kind == FEATURES and (self.model.takes_clips or self.model.reads_lips):
            names = ", ".join(FEATURE_MODELS)
            problems.append(f"model {self.model.model!r} does not take features; those that do: {names}")
        if self.kind == CLIPS and not self.model.takes_clips:
            names = ", ".join((*CLIP_MODELS, *LIP_MODELS))
            problems.append(f"model {self.model.model!r} does not take clips of --videos; those that do: {names}")
        problems += self._conflicts_of_lips()
        if self.kind != FEATURES and self.splits.split == FOLDERS:
            problems.append(
                "--split folders goes with --features; a manifest's column split says as much: --split column"
            )
        if self.optimisation.phases and self.optimisation.recipe != NO_RECIPE:
            problems.append(f"--recipe {self.optimisation.recipe} has its own phases: leave --phases out")
        return problems

    def _conflicts_of_lips(self) -> list[str]:
        """Options of lip readers without one, or options of classifiers with one."""
        changed = {
            found.name: (found.group, found.field)
            for found in options_of(TrainingOptions).values()
            if found.value_in(self) != found.default
        }
        monitor = self.optimisation.monitor
        if self.kind != LIPS:
            names = ", ".join(LIP_MODELS)
            of_lips = [name for name, (group, _) in changed.items() if group == "lips"]
            problems = [f"--{name} goes with a model that reads lips: {names}" for name in of_lips]
            if self.optimisation.recipe == LIPNET:
                problems.append(f"--recipe {LIPNET} goes with a model that reads lips: {', '.join(LIP_MODELS)}")
            if monitor in set(LIP_MONITORS) - {"loss"}:
                problems.append(f"--monitor {monitor} goes with a model that reads lips")
            return problems
        of_classes = ("classes", "clips")
        problems = [
            f"--{name} goes with classifiers, not with {self.model.model!r}, which reads lips"
            for name, (group, field) in changed.items()
            if (group in of_classes and field not in OF_ALL_FRAMES) or field in ("label_smoothing", "recompute")
        ]
        if monitor not in (None, *LIP_MONITORS):
            problems.append(f"--monitor is one of {', '.join(LIP_MONITORS)} for lip readers, not {monitor!r}")
        return problems

    @property
    def policy(self) -> ReadPolicy:
        """How far the reading of videos goes."""
        return read_policy(self.folders, self.access)

    @property
    def kind(self) -> str:
        """What is trained on: `FEATURES`, `CLIPS` or `LIPS`."""
        if self.videos is None:
            return FEATURES
        return LIPS if self.model.reads_lips else CLIPS

    @property
    def task(self) -> str:
        """What the network does: classes, or a transcription."""
        return TRANSCRIPTION if self.kind == LIPS else self.classes.task

    def settings(self) -> TrainingSettings:
        """The options with everything resolved; paths are absolute, as workers have other working directories."""
        model, splits = self.model, self.splits
        located = self.with_values(
            output=_absolute(self.output),
            features=tuple(map(_absolute, self.features)),
            videos=self.videos and _absolute(self.videos),
            init_weights=model.init_weights and _absolute(model.init_weights),
            labels=self.classes.labels and _absolute(self.classes.labels),
            vocabulary=self.classes.vocabulary and _absolute(self.classes.vocabulary),
            validation_features=tuple(map(_absolute, splits.validation_features)),
            test_features=tuple(map(_absolute, splits.test_features)),
            clip_cache=self.clips.clip_cache and _absolute(self.clips.clip_cache),
            alphabet=(self.lips.alphabet_file and _absolute(self.lips.alphabet_file)) or self.lips.alphabet,
        )
        return TrainingSettings(
            options=located,
            batch_size=self.optimisation.batch_size or BATCH_SIZES[self.kind],
            learning_rate=self.optimisation.highest_learning_rate(self.model.model),
            phases=self.optimisation.phase_settings(self.model.model),
            precision=self.optimisation.given_precision,
        )


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """One training, resolved.

    options        those that repeat it, in any working directory
    batch_size     videos in a batch of each worker
    learning_rate  where no phase has another
    phases         one after the other
    precision      fp32 or bf16
    """

    options: TrainingOptions
    batch_size: int
    learning_rate: float
    phases: tuple[PhaseSettings, ...]
    precision: str

    @property
    def kind(self) -> str:
        """What is trained on: `FEATURES`, `CLIPS` or `LIPS`."""
        return self.options.kind

    @property
    def monitor(self) -> str:
        """The measure that selects the best epoch."""
        return self.options.optimisation.monitor or (WORD_ERROR_RATE if self.kind == LIPS else "loss")

    @property
    def level(self) -> str:
        """What the model looks at: `video` (means), `frame`, `clip` or `lip`."""
        if self.kind != FEATURES:
            return "clip" if self.kind == CLIPS else "lip"
        from classifiers.feature_models.registry import model_entry  # brings torch

        level: str = model_entry(self.options.model.model).model.level
        return level

    @property
    def epochs(self) -> int:
        """Of all phases."""
        return sum(phase.epochs for phase in self.phases)

    @property
    def _may_have_column(self) -> bool:
        """Whether there may be a manifest that says how videos are split."""
        return self.kind != FEATURES or self.options.classes.labels is not None

    def split(self, *, has_column: bool = False) -> str:
        """How videos are split; `has_column` is whether a manifest says it."""
        return self.options.splits.split or (COLUMN if has_column else HASH)

    def clips(self) -> ClipSettings:
        """How clips are taken from videos."""
        model = self.options.model
        return self.options.clips.settings(model.model, model.config().clip_format())

    def lips(self) -> LipSettings:
        """How mouths are taken from videos."""
        return self.options.lips.settings(self.options.model.config().lip_input(), self.options.clips.augment)

    def training_config(self, batches_per_epoch: int, class_weights: tuple[float, ...] | None) -> TrainingConfig:
        """How the classifier is trained."""
        optimisation = self.options.optimisation
        phases = tuple(phase.phase(-(-batches_per_epoch // optimisation.accumulate)) for phase in self.phases)
        return replace(
            optimisation.training_config(),
            phases=phases,
            class_weights=class_weights,
            precision=self.precision,
            monitor=self.monitor,
        )

    def configuration(self) -> dict[str, Any]:
        """The options by name, with those that were resolved, for the record."""
        return {
            **self.options.flat(),
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "precision": self.precision,
            "monitor": self.monitor,
            "split": self.options.splits.split if self._may_have_column else self.split(),
        }

    def identity(self) -> Mapping[str, Any]:
        """What must be equal for a training to be the same one, as JSON gives it back."""
        options = options_of(TrainingOptions)
        kept = {
            name: value
            for name, value in self.configuration().items()
            if name == "workers" or (name != "output" and options[name].group not in OF_NO_CONSEQUENCE)
        }
        values: dict[str, Any] = json.loads(json.dumps(without_secrets(kept)))
        return values


def _absolute(uri: str) -> str:
    return files.local_path(uri) if files.is_local(uri) else uri

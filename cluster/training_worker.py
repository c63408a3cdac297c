"""What each worker of a training does, alone or with others: epochs, a state after each, and the results at the end.

In: a `TrainingPlan`, the same for all. Out: a `TrainingOutcome`, the same from all but for what only the first knows.

The first worker (rank 0) writes the state after each epoch; all of them begin with the last one that is there. So a
worker that starts again, after whatever end of the one before, takes the same course.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from classifiers.checkpoint import EpochRecord, TrainingHistory
from classifiers.registry import build_model
from classifiers.training import Training, TrainingConfig, Workers
from cluster.feature_source import SourceConfig
from cluster.tensorboard import TensorBoardLog
from cluster.training_config import ClassifierTrainingConfig
from cluster.training_data import Split, TrainingData
from cluster.training_results import split_result, temperature_fit
from cluster.training_states import Course, StateFolder
from schemas.trainings import TRAINING, VALIDATION, SplitResult, TemperatureFit

# The temperature is fitted to a sample: more would tell nothing more about one number.
MAX_CALIBRATION_VIDEOS = 200_000
MAX_CALIBRATION_VALUES = 64 << 20
# Means that are kept in memory between the epochs, of each split.
RESIDENT_BYTES = 1536 << 20
MAX_TRAINING_VIDEOS = 50_000  # of the training split that are looked at in the end


@dataclass(frozen=True)
class TrainingPlan:
    """A training that can start. `identity` is what makes it this training; `threads` are those of each worker."""

    config: ClassifierTrainingConfig
    data: TrainingData
    identity: Mapping[str, Any]
    threads: int

    def source_config(self, *, shuffle: bool = False, with_ids: bool = False) -> SourceConfig:
        """How features are streamed."""
        return SourceConfig(
            level=self.config.level,
            batch_size=self.config.batch_size,
            max_frames=self.config.max_frames,
            shuffle=shuffle,
            seed=self.config.seed,
            with_ids=with_ids,
            resident_bytes=0 if with_ids else RESIDENT_BYTES,
        )

    def training_config(self, world: int) -> TrainingConfig:
        """How the classifier is trained by so many workers."""
        weights = self.data.class_weights() if self.config.class_weights == "balanced" else None
        source = self.data.splits[TRAINING].source(self.source_config(shuffle=True), 0, world)
        return self.config.training_config(source.steps, weights)


@dataclass(frozen=True)
class TrainingOutcome:
    """A training that is over: the weights of its best epoch, and what they are worth."""

    state: dict[str, Tensor]
    history: TrainingHistory
    stopped_early: bool
    parameters: int
    device: str
    course: Course | None
    fit: TemperatureFit | None
    results: tuple[SplitResult, ...]
    seconds_by_stage: Mapping[str, float]


class TrainingWorker:
    """One of `world` workers; `report` is told of each epoch by the first."""

    def __init__(
        self,
        plan: TrainingPlan,
        workers: Workers,
        world: int,
        *,
        device: torch.device,
        wrap: Callable[[nn.Module], nn.Module] | None = None,
        report: Callable[[EpochRecord], None],
    ) -> None:
        torch.set_num_threads(plan.threads)
        self._plan, self._workers, self._world, self._device, self._report = plan, workers, world, device, report
        config, choice, features = plan.config, plan.data.choice, plan.data.features
        torch.manual_seed(config.seed)
        model = build_model(
            config.model,
            num_classes=len(choice),
            rgb_dim=features.rgb_dim,
            audio_dim=features.audio_dim,
            options=asdict(config.model_config()),
        )
        self._training = Training(
            model,
            config.task,
            plan.training_config(world),
            num_classes=len(choice),
            device=device,
            workers=workers,
            wrap=wrap,
        )
        self._states = StateFolder(config.output, plan.identity)
        # For all epochs, since a source may keep what it has read.
        self._sources = {
            name: plan.data.splits[name].source(plan.source_config(shuffle=name == TRAINING), workers.rank, world)
            for name in (TRAINING, VALIDATION)
            if name in plan.data.splits
        }
        self._seconds: dict[str, float] = {}

    def __call__(self) -> TrainingOutcome:
        """Train to the end, and measure."""
        course = self._train()
        training, splits = self._training, self._plan.data.splits
        training.load_best()
        with self._timed("calibration"):
            fit = self._fit(splits[VALIDATION]) if VALIDATION in splits else None
        temperature = 1.0 if fit is None else fit.temperature
        results = tuple(self._measure(name, split, temperature) for name, split in splits.items())
        return TrainingOutcome(
            state={key: value.cpu() for key, value in training.best_state.items()},
            history=training.history,
            stopped_early=training.epoch < self._plan.config.epochs,
            parameters=sum(parameter.numel() for parameter in training.model.parameters()),
            device=_spoken(self._device),
            course=course,
            fit=fit,
            results=results,
            seconds_by_stage={
                "training": sum(record.seconds for record in training.history.epochs),
                **self._seconds,
            },
        )

    def _train(self) -> Course | None:
        """Do the epochs that are left."""
        training = self._training
        state = self._states.latest()
        if state is not None:
            training.restore(state)
        if self._workers.rank:
            while not training.is_over:
                self._run_epoch()
            return None
        course = self._states.begin(training.epoch)
        with closing(TensorBoardLog(self._plan.config.output, training.epoch)) as log:
            while not training.is_over:
                record = self._run_epoch()
                log.add(record)
                self._states.write(training.snapshot())
                self._report(record)
        return course

    def _run_epoch(self) -> EpochRecord:
        training, validation = self._sources[TRAINING], self._sources.get(VALIDATION)
        return self._training.run_epoch(
            training.batches(self._training.epoch), None if validation is None else validation.batches()
        )

    def _fit(self, split: Split) -> TemperatureFit:
        """The temperature, from an even sample of the split."""
        num_classes = len(self._plan.data.choice)
        sample = split.thinned(min(MAX_CALIBRATION_VIDEOS, max(MAX_CALIBRATION_VALUES // num_classes, self._world)))
        logits, targets = [], []
        source = sample.source(self._plan.source_config(), self._workers.rank, self._world)
        for scores, batch in self._training.predict(source.batches()):
            assert batch.targets is not None
            logits.append(scores.cpu().numpy())
            targets.append(batch.targets.cpu().numpy())
        brought = self._workers.gather((np.concatenate(logits), np.concatenate(targets)))
        all_logits, all_targets = (np.concatenate(arrays) for arrays in zip(*brought, strict=True))
        return temperature_fit(all_logits, all_targets, self._plan.config.task)

    def _measure(self, name: str, split: Split, temperature: float) -> SplitResult:
        started = time.monotonic()
        if name == TRAINING:
            split = split.thinned(max(MAX_TRAINING_VIDEOS, self._world))
        with self._timed("evaluation"):
            source = split.source(self._plan.source_config(with_ids=True), self._workers.rank, self._world)
            evaluation = self._training.evaluate(source.batches(), is_full=True, temperature=temperature)
            return split_result(name, evaluation, time.monotonic() - started)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._seconds[stage] = self._seconds.get(stage, 0.0) + time.monotonic() - started


def _spoken(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"

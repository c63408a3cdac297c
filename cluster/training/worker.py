"""The worker of a training, alone or one of several: epochs, a state after each, and results at the end.

In: a `TrainingPlan`, the same for all. Out: a `TrainingOutcome`, the same from all, except that only the first worker
has run statistics.

    check for unusable videos, once ─► epochs of all phases ─► calibration ─► results on all splits

The first worker (rank 0) writes the state after each epoch; all workers start from the last one. So a restarted worker
continues exactly where the previous one ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from classifiers.clip_models.streaming import StreamModel
from classifiers.data.batches import BatchOrder, Worker
from classifiers.metrics.group_accuracy import VideoGroups
from classifiers.training.identity import TrainingIdentity
from classifiers.training.loop import Training
from classifiers.training.workers import Workers
from classifiers.weights.checkpoint import TrainingHistory
from cluster.training.config import TrainingSettings
from cluster.training.data import Feed, Source, TrainingData
from cluster.training.frame_accuracy import frame_accuracy
from cluster.training.frozen_stages import FrozenStages
from cluster.training.progress import EVERY_SECONDS, Meter, StageProgress
from cluster.training.results import temperature_fit
from cluster.training.splits import Split
from cluster.training.states import ResumeLog, StateFolder
from cluster.training.tensorboard import TensorBoardLog
from schemas.evaluations import FrameAccuracy, SplitResult, TemperatureFit
from schemas.text_results import TextResult
from schemas.trainings import TRAINING, VALIDATION, Epoch, LostVideo

# The temperature is a single number, for which a sample suffices.
MAX_CALIBRATION_VIDEOS = 200_000
MAX_CALIBRATION_VALUES = 64 << 20
MAX_TRAINING_VIDEOS = 50_000  # of the training split in the final evaluation


@dataclass(frozen=True)
class TrainingPlan:
    """A training that can start; `identity` distinguishes it from others, `threads` are those of each worker.

    progress_every_seconds  how often the first worker says how far a stage is
    """

    settings: TrainingSettings
    data: TrainingData
    identity: TrainingIdentity
    threads: int
    progress_every_seconds: float = EVERY_SECONDS

    def order(self, *, shuffle: bool = False, with_ids: bool = False) -> BatchOrder:
        """The order of batches."""
        seed = self.settings.options.optimisation.seed
        return BatchOrder(batch_size=self.settings.batch_size, shuffle=shuffle, seed=seed, with_ids=with_ids)


@dataclass(frozen=True)
class TrainingOutcome:
    """A finished training: the weights of its best epoch, and their results."""

    state: dict[str, Tensor]
    history: TrainingHistory
    stopped_early: bool
    parameters: int
    device: str
    resume_log: ResumeLog | None
    fit: TemperatureFit | None
    results: tuple[SplitResult | TextResult, ...]
    by_frame: FrameAccuracy | None
    lost: tuple[LostVideo, ...]
    seconds_by_stage: Mapping[str, float]


class TrainingWorker:
    """One of `world` workers; the first calls `report` after each epoch, and `show` with the progress within stages."""

    def __init__(
        self,
        plan: TrainingPlan,
        workers: Workers,
        world: int,
        *,
        device: torch.device,
        wrap: Callable[[nn.Module], nn.Module] | None = None,
        report: Callable[[Epoch], None],
        show: Callable[[StageProgress], None] | None = None,
    ) -> None:
        torch.set_num_threads(plan.threads)
        self._plan, self._workers, self._device, self._report = plan, workers, device, report
        self._worker = Worker(rank=workers.rank, world=world, threads=plan.threads)
        self._wrap = wrap or (lambda network: network)
        self._meter = Meter(None if workers.rank else show, world=world, every_seconds=plan.progress_every_seconds)
        self._states = StateFolder(plan.settings.options.output, plan.identity)
        self._seconds: dict[str, float] = {}

    def __call__(self) -> TrainingOutcome:
        """Train to the end and evaluate."""
        with closing(self._plan.data.feed(self._worker)) as feed:
            lost, data = self._find_lost(feed)
            training = self._training(data, feed)
            limit_bytes = self._plan.settings.options.engine.keep_frozen_mib << 20
            frozen = FrozenStages(training, self._workers, limit_bytes=limit_bytes, meter=self._meter)
            resume_log = self._train(training, data, feed, frozen)
            training.load_best()

            def source(name: str, split: Split, *, with_ids: bool = False) -> Source:
                return frozen.evaluation_source(name, feed.source(split, self._plan.order(with_ids=with_ids)))

            with self._timed("calibration"):
                fit = self._fit(training, data, source) if data.is_calibrated and VALIDATION in data.splits else None
            temperature = 1.0 if fit is None else fit.temperature
            groups = data.groups()
            results = tuple(self._evaluate(name, temperature, training, data, source, groups) for name in data.splits)
            by_frame = self._evaluate_frames(training, data, source)
        return TrainingOutcome(
            state={key: value.cpu() for key, value in training.best_state.items()},
            history=training.history,
            stopped_early=training.epoch < self._plan.settings.epochs,
            parameters=sum(parameter.numel() for parameter in training.model.parameters()),
            device=_device_name(self._device),
            resume_log=resume_log,
            fit=fit,
            results=results,
            by_frame=by_frame,
            lost=tuple(lost),
            seconds_by_stage={
                "training": sum(record.seconds for record in training.history.epochs),
                **self._seconds,
            },
        )

    def _find_lost(self, feed: Feed) -> tuple[Sequence[LostVideo], TrainingData]:
        """The unusable videos of all workers, and the data without them.

        Videos are checked once, even if the training is interrupted later.
        """
        # The first worker reads for all: while the file is being written, they could disagree.
        lost: Sequence[LostVideo] | None
        lost, *_ = self._workers.gather(self._states.lost() if self._workers.rank == 0 else None)
        if lost is not None:
            return lost, self._plan.data.without(lost)
        with self._timed("checking"):
            shares = self._workers.gather(list(feed.find_lost(self._meter)))
        lost = sorted((video for share in shares for video in share), key=lambda video: video.id)
        data = self._plan.data.without(lost)
        if self._workers.rank == 0:
            self._states.write_lost(lost)
        return lost, data

    def _training(self, data: TrainingData, feed: Feed) -> Training:
        """The training before its first epoch."""
        settings, options = self._plan.settings, self._plan.settings.options
        source = feed.source(data.splits[TRAINING], self._plan.order(shuffle=True))
        weights = data.class_weights() if options.classes.class_weights == "balanced" else None
        config = settings.training_config(source.steps, weights)
        torch.manual_seed(options.optimisation.seed)
        augmentation = data.augmentation()

        def wrap(model: nn.Module) -> nn.Module:
            return self._wrap(model if augmentation is None else nn.Sequential(augmentation.to(self._device), model))

        return Training(
            data.build_model(),
            data.objective(config),
            config,
            device=self._device,
            workers=self._workers,
            wrap=wrap,
        )

    def _train(self, training: Training, data: TrainingData, feed: Feed, frozen: FrozenStages) -> ResumeLog | None:
        """Run the remaining epochs."""
        # The first worker looks for all: while it writes, others could start from another epoch.
        last, *_ = self._workers.gather(self._states.last() if self._workers.rank == 0 else None)
        if last is not None:
            training.restore(self._states.read(last))

        def run_epoch() -> Epoch:
            training.enter_phase()
            sources = {
                name: self._source(name, data, feed, frozen) for name in (TRAINING, VALIDATION) if name in data.splits
            }
            stage = f"epoch {training.epoch + 1} of {self._plan.settings.epochs}"
            validation = None
            if VALIDATION in sources:
                measured = sources[VALIDATION].batches()
                validation = self._meter.follow(f"{stage}, validation", measured, len(data.splits[VALIDATION]))
            batches = sources[TRAINING].batches(training.epoch)
            return training.run_epoch(self._meter.follow(stage, batches, len(data.splits[TRAINING])), validation)

        if self._workers.rank:
            while not training.is_over:
                run_epoch()
            return None
        resume_log = self._states.begin(training.epoch, self._plan.settings.precision)
        with closing(TensorBoardLog(self._plan.settings.options.output, training.epoch)) as log:
            while not training.is_over:
                record = run_epoch()
                log.add(record)
                self._states.write(training.snapshot())
                self._report(record)
        return resume_log

    def _source(self, name: str, data: TrainingData, feed: Feed, frozen: FrozenStages) -> Source:
        """Batches of a split for an epoch: of inputs, or of the frozen stages' outputs."""
        source = feed.source(data.splits[name], self._plan.order(shuffle=name == TRAINING))
        if not data.is_repeatable:
            return source
        with self._timed("frozen stages"):
            return frozen.source(name, source, feed.source(data.splits[name], self._plan.order()))

    def _fit(self, training: Training, data: TrainingData, source: Callable[..., Source]) -> TemperatureFit:
        """The temperature, fitted on an evenly spaced sample of the validation split."""
        most = max(MAX_CALIBRATION_VALUES // len(data.choice), self._worker.world)
        sample = data.splits[VALIDATION].sample(min(MAX_CALIBRATION_VIDEOS, most))
        logits, targets = [], []
        batches = self._meter.follow("calibration", source(VALIDATION, sample).batches(), len(sample))
        for scores, batch in training.predict(batches):
            logits.append(scores.cpu().numpy())
            targets.append(batch.targets.cpu().numpy())
        shares = self._workers.gather((np.concatenate(logits), np.concatenate(targets)))
        all_logits, all_targets = (np.concatenate(arrays) for arrays in zip(*shares, strict=True))
        return temperature_fit(all_logits, all_targets, self._plan.settings.options.classes.task)

    def _evaluate(
        self,
        name: str,
        temperature: float,
        training: Training,
        data: TrainingData,
        source: Callable[..., Source],
        groups: VideoGroups,
    ) -> SplitResult | TextResult:
        started, split = time.monotonic(), data.splits[name]
        if name == TRAINING:
            split = split.sample(max(MAX_TRAINING_VIDEOS, self._worker.world))
        with self._timed("evaluation"):
            batches = source(name, split, with_ids=True).batches()
            batches = self._meter.follow(f"evaluation on {name}", batches, len(split))
            evaluation = training.evaluate(batches, is_full=True, temperature=temperature, groups=groups)
            return data.result(name, evaluation, time.monotonic() - started)

    def _evaluate_frames(
        self, training: Training, data: TrainingData, source: Callable[..., Source]
    ) -> FrameAccuracy | None:
        """The accuracy of a stream network on the validation split after each frame."""
        model, clips, split = training.model, data.input.clips, data.splits.get(VALIDATION)
        if clips is None or split is None or not isinstance(model, StreamModel):
            return None
        with self._timed("evaluation"):
            batches = self._meter.follow("evaluation by frame", source(VALIDATION, split).batches(), len(split))
            return frame_accuracy(training, model, batches, self._workers, clips)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self._seconds[stage] = self._seconds.get(stage, 0.0) + time.monotonic() - started


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"

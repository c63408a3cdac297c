"""Training of a classifier: phases of epochs over batches, the best epoch kept, each of them a place to go on from.

    training batches   ─► network ─► loss and penalties ─► optimizer
    validation batches ─► model ─► evaluation ─► is it the best so far? is it time to stop?

Knows no engine and no files: a plain loop and a cluster of workers run the same code. One worker computes what a plain
loop would, to the bit. An epoch draws its random numbers from the seed and its own number, so that a run that was
killed and goes on from the last epoch's `snapshot` takes the same course.

Batches have `inputs` (what the network takes), `targets`, `ids`, `to(device)` and a length.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from classifiers.losses import build_loss, weight_penalty
from classifiers.metrics.evaluation import Evaluation
from classifiers.training.optimizers import build_optimizer
from classifiers.training.phases import Phase, train_stages
from classifiers.training.state import TrainingState, optimizer_state, optimizer_tensors
from classifiers.training.workers import SingleWorker, Workers
from classifiers.weights.checkpoint import TrainingHistory
from schemas.trainings import Epoch

MONITORS = {
    "loss": -1,
    "hit_at_one": 1,
    "gap": 1,
    "mean_average_precision": 1,
    "top_5_accuracy": 1,
}  # 1: more is better
PRECISIONS: dict[str, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16}


class Batch(Protocol):
    """What a network is trained on; see `classifiers.data.batches` and `classifiers.data.batches`."""

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The network's arguments."""

    @property
    def targets(self) -> Tensor | None:
        """What the loss compares with."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the videos."""

    def to(self, device: torch.device) -> Self:
        """The same on another device."""

    def __len__(self) -> int: ...


class DivergedError(ValueError):
    """The loss is not a number any more; the message says what to try."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a classifier is trained.

    phases             one after the other
    accumulate         batches whose gradients make one step; batch norm still sees them one by one
    l1, l2             penalties on the weights, as Keras means them
    class_weights      K factors on the loss of each class
    max_gradient_norm  gradients are scaled down to it
    precision          fp32, or bf16: the network's arithmetic, while weights stay fp32
    monitor            what of the validation split decides which epoch is kept
    patience           a phase ends after so many epochs in a row without a better one
    """

    phases: tuple[Phase, ...] = (Phase(),)
    accumulate: int = 1
    l1: float = 0.0
    l2: float = 0.0
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    max_gradient_norm: float | None = None
    precision: str = "fp32"
    monitor: str = "loss"
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be, all of it at once."""
        problems = []
        if not self.phases:
            problems.append("there is no phase")
        if self.accumulate < 1:
            problems.append(f"accumulate is {self.accumulate}, it must be at least 1 batch")
        if self.patience is not None and self.patience < 1:
            problems.append(f"patience is {self.patience}, it must be at least 1 epoch")
        if self.seed < 0:
            problems.append(f"seed is {self.seed}, it must not be below 0")
        for name in ("l1", "l2"):
            if not 0 <= getattr(self, name) < math.inf:
                problems.append(f"{name} is {getattr(self, name)}, it must not be below 0")
        if self.max_gradient_norm is not None and not self.max_gradient_norm > 0:
            problems.append(f"max_gradient_norm is {self.max_gradient_norm}, it must be above 0")
        if self.precision not in PRECISIONS:
            problems.append(f"precision is {self.precision!r}, allowed: {', '.join(PRECISIONS)}")
        if self.monitor not in MONITORS:
            problems.append(f"monitor is {self.monitor!r}, allowed: {', '.join(MONITORS)}")
        if problems:
            raise ValueError("\n".join(problems))

    @property
    def epochs(self) -> int:
        """Of all phases."""
        return sum(phase.epochs for phase in self.phases)


class Training:
    """One model's training, epoch by epoch.

    `wrap` turns the model into what computes its gradients: with the other workers, say, or from changed inputs. It is
    called at the beginning of each phase.
    """

    def __init__(
        self,
        model: nn.Module,
        task: str,
        config: TrainingConfig,
        *,
        num_classes: int,
        device: torch.device | None = None,
        workers: Workers | None = None,
        wrap: Callable[[nn.Module], nn.Module] | None = None,
    ) -> None:
        self._device = device or torch.device("cpu")
        self.model = model.to(self._device)
        self._wrap = wrap or (lambda model: model)
        self._task, self._config, self._num_classes = task, config, num_classes
        self._workers = workers or SingleWorker()
        self._loss = build_loss(task, class_weights=config.class_weights, label_smoothing=config.label_smoothing)
        self._loss.to(self._device)
        self._epochs: list[Epoch] = []
        self._best_epoch: int | None = None
        self._best_state: dict[str, Tensor] = {}
        self._phase: int | None = None  # none has begun

    @property
    def epoch(self) -> int:
        """The number of the next epoch, from 0 on."""
        return len(self._epochs)

    @property
    def is_over(self) -> bool:
        """Whether all phases are done."""
        return self._due_phase() == len(self._config.phases)

    @property
    def is_base_untouched(self) -> bool:
        """Whether no epoch has trained what is frozen now."""
        if self._phase is None:
            return False
        now = self._config.phases[self._phase].stages
        trained = [self._config.phases[record.phase].stages for record in self._epochs]
        return now is not None and all(stages is not None and stages <= now for stages in trained)

    @property
    def history(self) -> TrainingHistory:
        """What was measured so far."""
        return TrainingHistory(epochs=tuple(self._epochs), best_epoch=self._best_epoch)

    @property
    def best_state(self) -> dict[str, Tensor]:
        """The weights of the best epoch."""
        return self._best_state

    def enter_phase(self) -> Phase:
        """Freeze and train what the next epoch wants frozen and trained; gives its phase."""
        due = self._due_phase()
        if due != self._phase:
            self._begin(due)
        return self._config.phases[due]

    def run_epoch(self, training: Iterable[Batch], validation: Iterable[Batch] | None) -> Epoch:
        """Train on one pass of `training`, measure on `validation`; without it, training alone decides what is best.

        Raises:
            DivergedError: if the loss is not finite.
        """
        started = time.monotonic()
        phase = self.enter_phase()
        torch.manual_seed(epoch_seed(self._config.seed, self.epoch, self._workers.rank))
        trained = self._train(training, phase)
        self._workers.share_buffers(self.model)
        validated = {} if validation is None else self.evaluate(validation, is_full=False).summary()
        record = Epoch(
            epoch=self.epoch,
            seconds=time.monotonic() - started,
            learning_rate=float(self._optimizer.param_groups[0]["lr"]),
            training=trained,
            validation={name: value if math.isfinite(value) else None for name, value in validated.items()},
            phase=self._due_phase(),
        )
        if self._best_epoch is None or self._merit(record) > self._merit(self._epochs[self._best_epoch]):
            self._best_epoch = record.epoch
            self._best_state = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
        self._epochs.append(record)
        return record

    def evaluate(self, batches: Iterable[Batch], *, is_full: bool, temperature: float = 1.0) -> Evaluation:
        """What the model, as it is now, makes of all workers' batches."""
        evaluation = Evaluation(self._task, self._num_classes, is_full=is_full, temperature=temperature)
        for logits, batch in self.predict(batches):
            assert batch.targets is not None
            evaluation.update(logits, batch.targets, batch.ids)
        states = self._workers.gather(evaluation.state())
        merged = Evaluation(self._task, self._num_classes, is_full=is_full, temperature=temperature)
        for state in states:
            merged.merge(state)
        return merged

    def predict(self, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, Batch]]:
        """Logits (N, K) of each of this worker's batches, with the batch."""
        self.model.eval()
        with torch.inference_mode():
            for batch in batches:
                placed = batch.to(self._device)
                with self.arithmetic():
                    logits = self.model(*placed.inputs)
                yield logits.float(), placed

    def load_best(self) -> None:
        """Give the model the weights of its best epoch."""
        self.model.load_state_dict(self._best_state)

    def snapshot(self) -> TrainingState:
        """Everything that going on after this epoch needs."""
        return TrainingState(
            model=dict(self.model.state_dict()),
            best=self._best_state,
            optimizer=optimizer_tensors(self._optimizer),
            step=self._step,
            history=self.history,
            frozen=frozenset(name for name, value in self.model.named_parameters() if not value.requires_grad),
        )

    def restore(self, state: TrainingState) -> None:
        """Go on from a snapshot."""
        self._begin(state.history.epochs[-1].phase)
        self.model.load_state_dict(state.model)
        self._optimizer.load_state_dict(optimizer_state(self._optimizer, state.optimizer))
        self._best_state = {key: value.to(self._device) for key, value in state.best.items()}
        self._step = state.step
        self._epochs, self._best_epoch = list(state.history.epochs), state.history.best_epoch

    def _begin(self, number: int) -> None:
        phase = self._config.phases[number]
        train_stages(self.model, phase.stages)
        self.model.zero_grad(set_to_none=True)  # what is frozen from now on would keep its last gradient
        self._network = self._wrap(self.model)
        self._optimizer = build_optimizer(phase.optimizer, self.model.parameters())
        self._step = 0
        self._phase = number

    def _due_phase(self) -> int:
        """The phase of the next epoch; their number where there is none."""
        if not self._epochs:
            return 0
        phase = self._epochs[-1].phase
        done = [record.epoch for record in self._epochs if record.phase == phase]
        patience, better = self._config.patience, max(self._best_epoch or 0, done[0] - 1)
        is_over = len(done) >= self._config.phases[phase].epochs
        return phase + (is_over or (patience is not None and done[-1] - better >= patience))

    def _train(self, batches: Iterable[Batch], phase: Phase) -> dict[str, float]:
        self._network.train()
        config = self._config
        # Sums stay where they are computed: a look at them in each step would wait for the device.
        losses, right = torch.zeros(2, dtype=torch.float64, device=self._device)
        videos = 0
        for group in _groups(batches, config.accumulate):
            for parameters in self._optimizer.param_groups:
                parameters["lr"] = phase.optimizer.learning_rate * phase.schedule.factor(self._step)
            self._optimizer.zero_grad(set_to_none=True)
            size = sum(map(len, group))
            for number, unplaced in enumerate(group, 1):
                batch = unplaced.to(self._device)
                assert batch.targets is not None
                with self._sharing(is_last=number == len(group)):
                    with self.arithmetic():
                        logits = self._network(*batch.inputs)
                    loss = self._loss(logits, batch.targets)
                    goal = loss * (len(batch) / size)
                    if number == len(group) and (config.l1 or config.l2):
                        goal = goal + weight_penalty(self.model, l1=config.l1, l2=config.l2)
                    goal.backward()
                losses.add_(loss.detach(), alpha=len(batch))
                right.add_(_right(logits.detach(), batch.targets))
            if config.max_gradient_norm is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), config.max_gradient_norm)
            self._optimizer.step()
            self._step += 1
            videos += size
        return self._means(float(losses), float(right), videos)

    def _means(self, *sums: float) -> dict[str, float]:
        loss, right, videos = (sum(values) for values in zip(*self._workers.gather(sums), strict=True))
        if not videos:
            raise ValueError("an epoch without a batch: the training split is empty")
        if not math.isfinite(loss):
            raise DivergedError(
                f"the loss of epoch {self.epoch} is {loss}: the training has diverged. Try a lower learning rate, "
                "a warm-up, or a limit on the gradients' norm"
            )
        return {"loss": loss / videos, "hit_at_one": right / videos}

    def _merit(self, record: Epoch) -> float:
        """How good an epoch was: the more the better."""
        measured = record.validation or record.training
        name = self._config.monitor if self._config.monitor in measured else "loss"
        value = measured[name]
        return -math.inf if value is None else MONITORS[name] * value

    def arithmetic(self) -> AbstractContextManager[Any]:
        """What the network computes in."""
        dtype = PRECISIONS[self._config.precision]
        return nullcontext() if dtype is None else torch.autocast(self._device.type, dtype)

    def _sharing(self, *, is_last: bool) -> AbstractContextManager[Any]:
        """Workers share their gradients with the last batch of a step."""
        if is_last or not isinstance(self._network, DistributedDataParallel):
            return nullcontext()
        return self._network.no_sync()


def _groups(batches: Iterable[Batch], size: int) -> Iterator[Sequence[Batch]]:
    """So many at a time; the last may be fewer."""
    waiting = iter(batches)
    while group := tuple(islice(waiting, size)):
        yield group


def _right(logits: Tensor, targets: Tensor) -> Tensor:
    """How many videos' best class is one of theirs."""
    best = logits.argmax(dim=1)
    if targets.ndim == 1:
        return (best == targets).sum()
    return targets.gather(1, best[:, None]).sum()


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """Where an epoch's random numbers start, for one of the workers."""
    return int(np.random.SeedSequence((seed, epoch, rank)).generate_state(1, np.uint64)[0] >> np.uint64(1))

"""The training loop: phases of epochs, the choice of the best epoch, and snapshots to resume from.

    training batches   ─► network ─► loss and penalties ─► optimizer
    validation batches ─► model ─► evaluation ─► best epoch, early stopping

In: batches of training and validation (`classifiers.data.batches`). Out: a record of each epoch, the best weights, and
`snapshot`s. The loop depends on neither engine nor files: a single process and a cluster of workers run the same code,
and one worker gives the same bits as a plain loop. The random numbers of an epoch depend on the seed and its number, so
that a training resumed from a snapshot gives the same result.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from classifiers.choices import MONITORS
from classifiers.losses import weight_penalty
from classifiers.training.config import PRECISIONS, TrainingConfig
from classifiers.training.objective import Objective
from classifiers.training.optimizers import build_optimizer
from classifiers.training.phases import Phase, train_stages
from classifiers.training.state import TrainingState, optimizer_state, optimizer_tensors
from classifiers.training.workers import SingleWorker, Workers
from classifiers.weights.checkpoint import TrainingHistory
from schemas.trainings import Epoch

LOSS = "loss"
DIVERGED = "the training has diverged. Try a lower learning rate, a warm-up, or a limit on the norm of the gradients"


class Batch(Protocol):
    """A batch of `classifiers.data`."""

    @property
    def inputs(self) -> tuple[Any, ...]:
        """The arguments of the network."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the videos, if requested."""

    def to(self, device: torch.device) -> Self:
        """The same batch on another device."""

    def __len__(self) -> int: ...


class DivergedError(ValueError):
    """The loss or an output is not finite; the message gives remedies."""


class Training:
    """The training of one model, epoch by epoch.

    `wrap` returns the network that computes the gradients of the model, such as one that synchronises them with other
    workers, or augments its inputs. It is called at the start of each phase.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        config: TrainingConfig,
        *,
        device: torch.device | None = None,
        workers: Workers | None = None,
        wrap: Callable[[nn.Module], nn.Module] | None = None,
    ) -> None:
        self._device = device or torch.device("cpu")
        self.model = model.to(self._device)
        self._wrap = wrap or (lambda model: model)
        self._objective, self._config = objective, config
        self._workers = workers or SingleWorker()
        self._objective.to(self._device)
        self._epochs: list[Epoch] = []
        self._best_epoch: int | None = None
        self._best_state: dict[str, Tensor] = {}
        self._phase: int | None = None  # no phase has started

    @property
    def epoch(self) -> int:
        """The number of the next epoch, starting from 0."""
        return len(self._epochs)

    @property
    def is_over(self) -> bool:
        """Whether all phases have ended."""
        return self._next_phase() == len(self._config.phases)

    @property
    def has_initial_frozen_stages(self) -> bool:
        """Whether the stages that are frozen now still have their initial weights."""
        if self._phase is None:
            return False
        now = self._config.phases[self._phase].stages
        trained = [self._config.phases[record.phase].stages for record in self._epochs]
        return now is not None and all(stages is not None and stages <= now for stages in trained)

    @property
    def history(self) -> TrainingHistory:
        """The records of the epochs so far."""
        return TrainingHistory(epochs=tuple(self._epochs), best_epoch=self._best_epoch)

    @property
    def best_state(self) -> dict[str, Tensor]:
        """The weights of the best epoch."""
        return self._best_state

    def enter_phase(self) -> Phase:
        """Freeze and unfreeze stages for the next epoch; returns its phase."""
        number = self._next_phase()
        if number != self._phase:
            self._start_phase(number)
        return self._config.phases[number]

    def run_epoch(self, training: Iterable[Batch], validation: Iterable[Batch] | None) -> Epoch:
        """Train on one pass over `training` and evaluate on `validation`; without it, training decides the best epoch.

        Raises:
            DivergedError: if the loss or an output is not finite.
        """
        started = time.monotonic()
        phase = self.enter_phase()
        torch.manual_seed(epoch_seed(self._config.seed, self.epoch, self._workers.rank))
        training_metrics = self._train(training, phase)
        self._workers.share_buffers(self.model)
        evaluation = None if validation is None else self.evaluate(validation, is_full=False)
        validation_metrics = {} if evaluation is None else evaluation.summary()
        record = Epoch(
            epoch=self.epoch,
            seconds=time.monotonic() - started,
            learning_rate=float(self._optimizer.param_groups[0]["lr"]),
            training=training_metrics,
            validation={name: value if math.isfinite(value) else None for name, value in validation_metrics.items()},
            phase=self._next_phase(),
            examples=() if evaluation is None else self._objective.examples(evaluation),
        )
        if self._best_epoch is None or self._monitored(record) > self._monitored(self._epochs[self._best_epoch]):
            self._best_epoch = record.epoch
            self._best_state = {key: value.detach().clone() for key, value in self.model.state_dict().items()}
        self._epochs.append(record)
        return record

    def evaluate(self, batches: Iterable[Batch], *, is_full: bool, **options: Any) -> Any:
        """Evaluate the current weights on the batches of all workers; `options` are those of the objective."""
        objective = self._objective
        evaluation, merged = (objective.evaluation(is_full=is_full, **options) for _ in range(2))
        for outputs, batch in self.predict(batches):
            if not outputs.isfinite().all():
                raise DivergedError(f"outputs of the network are not finite: {DIVERGED}")
            objective.measure(evaluation, outputs, batch)
        states = self._workers.gather(evaluation.state())
        for state in states:
            merged.merge(state)
        return merged

    def predict(self, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, Any]]:
        """The outputs of the network for each batch of this worker, with the batch."""
        self.model.eval()
        with torch.inference_mode():
            for batch in batches:
                placed = batch.to(self._device)
                with self.arithmetic():
                    outputs = self.model(*placed.inputs)
                yield outputs.float(), placed

    def load_best(self) -> None:
        """Load the weights of the best epoch into the model."""
        self.model.load_state_dict(self._best_state)

    def snapshot(self) -> TrainingState:
        """The state needed to resume after this epoch."""
        return TrainingState(
            model=dict(self.model.state_dict()),
            best=self._best_state,
            optimizer=optimizer_tensors(self._optimizer),
            step=self._step,
            history=self.history,
            frozen=frozenset(name for name, value in self.model.named_parameters() if not value.requires_grad),
        )

    def restore(self, state: TrainingState) -> None:
        """Resume from a snapshot."""
        self._start_phase(state.history.epochs[-1].phase)
        self.model.load_state_dict(state.model)
        self._optimizer.load_state_dict(optimizer_state(self._optimizer, state.optimizer))
        self._best_state = {key: value.to(self._device) for key, value in state.best.items()}
        self._step = state.step
        self._epochs, self._best_epoch = list(state.history.epochs), state.history.best_epoch

    def _start_phase(self, number: int) -> None:
        phase = self._config.phases[number]
        train_stages(self.model, phase.stages)
        self.model.zero_grad(set_to_none=True)  # newly frozen parameters would keep their last gradient
        self._network = self._wrap(self.model)
        self._optimizer = build_optimizer(phase.optimizer, self.model.parameters())
        self._step = 0
        self._phase = number

    def _next_phase(self) -> int:
        """The phase of the next epoch; the number of phases after the last one."""
        if not self._epochs:
            return 0
        phase = self._epochs[-1].phase
        done = [record.epoch for record in self._epochs if record.phase == phase]
        patience, last_better = self._config.patience, max(self._best_epoch or 0, done[0] - 1)
        is_over = len(done) >= self._config.phases[phase].epochs
        return phase + (is_over or (patience is not None and done[-1] - last_better >= patience))

    def _train(self, batches: Iterable[Batch], phase: Phase) -> dict[str, float]:
        """Train for one epoch; the loss, and the objective's shares, over all workers."""
        self._network.train()
        config = self._config
        # The sums stay on the device: reading them in every step would synchronise with it.
        sums = torch.zeros(1 + len(self._objective.shares), dtype=torch.float64, device=self._device)
        videos = 0
        for group in _groups(batches, config.accumulate):
            for parameters in self._optimizer.param_groups:
                parameters["lr"] = phase.optimizer.learning_rate * phase.schedule.factor(self._step)
            self._optimizer.zero_grad(set_to_none=True)
            size = sum(map(len, group))
            for number, unplaced in enumerate(group, 1):
                batch = unplaced.to(self._device)
                with self._gradient_sync(is_last=number == len(group)):
                    with self.arithmetic():
                        outputs = self._network(*batch.inputs)
                    loss = self._objective.loss(outputs, batch)
                    objective = loss * (len(batch) / size)
                    if number == len(group) and (config.l1 or config.l2):
                        objective = objective + weight_penalty(self.model, l1=config.l1, l2=config.l2)
                    objective.backward()  # type: ignore[no-untyped-call]
                sums[0].add_(loss.detach(), alpha=len(batch))
                if self._objective.shares:
                    sums[1:].add_(self._objective.counts(outputs.detach(), batch))
            if config.max_gradient_norm is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), config.max_gradient_norm)
            self._optimizer.step()
            self._step += 1
            videos += size
        return self._means(videos, *sums.tolist())

    def _means(self, *sums: float) -> dict[str, float]:
        """The means of the epoch from the sums of all workers: videos, loss, and the objective's shares."""
        videos, loss, *counts = (sum(values) for values in zip(*self._workers.gather(sums), strict=True))
        if not videos:
            raise ValueError("the training split is empty: an epoch has no batch")
        if not math.isfinite(loss):
            raise DivergedError(f"the loss of epoch {self.epoch} is {loss}: {DIVERGED}")
        shares = zip(self._objective.shares, counts, strict=True)
        return {"loss": loss / videos, **{name: count / videos for name, count in shares}}

    def _monitored(self, record: Epoch) -> tuple[float, ...]:
        """The monitored metric of an epoch, signed so that more is better; of equal ones, a lower loss is better."""
        metrics = record.validation or record.training
        name = self._config.monitor if self._config.monitor in metrics else LOSS
        measured = ((metrics[each], MONITORS[each]) for each in (name, LOSS))
        return tuple(-math.inf if value is None else sign * value for value, sign in measured)

    def arithmetic(self) -> AbstractContextManager[Any]:
        """The context of the network's precision."""
        dtype = PRECISIONS[self._config.precision]
        return nullcontext() if dtype is None else torch.autocast(self._device.type, dtype)

    def _gradient_sync(self, *, is_last: bool) -> AbstractContextManager[Any]:
        """Workers synchronise their gradients in the last batch of a step alone."""
        if is_last or not isinstance(self._network, DistributedDataParallel):
            return nullcontext()
        return self._network.no_sync()


def _groups(batches: Iterable[Batch], size: int) -> Iterator[Sequence[Batch]]:
    """Groups of `size` batches; the last may be smaller."""
    remaining = iter(batches)
    while group := tuple(islice(remaining, size)):
        yield group


def epoch_seed(seed: int, epoch: int, rank: int) -> int:
    """The seed of an epoch's random numbers in one worker."""
    return int(np.random.SeedSequence((seed, epoch, rank)).generate_state(1, np.uint64)[0] >> np.uint64(1))

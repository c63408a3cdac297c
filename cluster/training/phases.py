"""Phases of a training as options describe them: a recipe by name, or a text for each phase.

    epochs=20 stages=1 optimizer=sgd learning-rate=0.1

Values that a text omits are those of the command line's options. Epochs become steps once the number of steps per epoch
is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from classifiers.training.learning_rate import LearningRateSchedule
from schemas.numerals import whole_number_of

if TYPE_CHECKING:
    from classifiers.training.phases import Phase

NO_RECIPE, TRANSFER, LIPNET = "none", "transfer", "lipnet"
ALL_STAGES = "all"
# As reported; other models get a value between those of new heads and of whole networks.
TRANSFER_LEARNING_RATES = {"c3d": 0.1, "i3d": 1e-4, "i3d-flow": 1e-4}
TRANSFER_LEARNING_RATE = 0.01
LIPNET_LEARNING_RATE, LIPNET_EPOCHS = 1e-4, 100


@dataclass(frozen=True, kw_only=True)
class PhaseSettings:
    """One phase; the fields are options of `jobs/train_classifier.py`, and `stages` those trained (None: all)."""

    epochs: int
    stages: int | None = None
    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    schedule: str
    warmup_steps: int
    hold_epochs: float
    decay_epochs: float
    decay_rate: float
    decay_floor: float

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        if not 0 < self.decay_epochs < math.inf:
            raise ValueError(f"decay-epochs must be above 0, not {self.decay_epochs}")
        if not 0 <= self.hold_epochs < math.inf:
            raise ValueError(f"hold-epochs must not be below 0, not {self.hold_epochs}")

    def phase(self, steps_per_epoch: int) -> Phase:
        """The phase of a training with `steps_per_epoch`."""
        from classifiers.training.optimizers import OptimizerConfig  # brings torch
        from classifiers.training.phases import Phase

        hold_steps = round(self.hold_epochs * steps_per_epoch)
        all_steps = max(self.epochs * steps_per_epoch - self.warmup_steps - hold_steps, 1)
        return Phase(
            epochs=self.epochs,
            stages=self.stages,
            optimizer=OptimizerConfig(
                name=self.optimizer,
                learning_rate=self.learning_rate,
                momentum=self.momentum,
                weight_decay=self.weight_decay,
            ),
            schedule=LearningRateSchedule(
                decay=self.schedule,
                warmup_steps=self.warmup_steps,
                hold_steps=hold_steps,
                decay_steps=all_steps
                if self.schedule == "cosine"
                else max(round(self.decay_epochs * steps_per_epoch), 1),
                decay_rate=self.decay_rate,
                floor=self.decay_floor,
            ),
        )


def phases_of(texts: Sequence[str], defaults: PhaseSettings) -> tuple[PhaseSettings, ...]:
    """The phases that `texts` describe; `defaults` has the values that they omit.

    Raises:
        ValueError: with all problems.
    """
    problems: list[str] = []
    phases = []
    for number, text in enumerate(texts, 1):
        before = len(problems)
        values: dict[str, Any] = {}
        for word in text.split():
            _read(word, values, problems)
        if len(problems) == before:
            try:
                phases.append(replace(defaults, **values))
                phases[-1].phase(1)
            except ValueError as error:
                problems.append(str(error))
        problems[before:] = [f"phase {number}: {line}" for problem in problems[before:] for line in problem.split("\n")]
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(phases)


def _read(word: str, values: dict[str, Any], problems: list[str]) -> None:
    flag, equals, text = word.partition("=")
    name = flag.replace("-", "_")
    if not equals:
        problems.append(f"{word!r} is not NAME=VALUE, such as epochs=20")
    elif name not in READERS:
        near = get_close_matches(name, READERS, 1)
        known = ", ".join(key.replace("_", "-") for key in READERS)
        hint = f"did you mean {near[0].replace('_', '-')}?" if near else f"known are {known}"
        problems.append(f"{flag!r} is unknown; {hint}")
    elif name in values:
        problems.append(f"{flag} is given twice")
    else:
        try:
            values[name] = READERS[name](text)
        except ValueError:
            problems.append(f"{flag} is {KIND_NAMES[READERS[name]]}, not {text!r}")


def _stages(text: str) -> int | None:
    return None if text == ALL_STAGES else whole_number_of(text)


READERS: dict[str, Callable[[str], Any]] = {
    "epochs": whole_number_of,
    "stages": _stages,
    "optimizer": str,
    "learning_rate": float,
    "momentum": float,
    "weight_decay": float,
    "schedule": str,
    "warmup_steps": whole_number_of,
    "hold_epochs": float,
    "decay_epochs": float,
    "decay_rate": float,
    "decay_floor": float,
}
KIND_NAMES: Mapping[Callable[[str], Any], str] = {
    whole_number_of: "a whole number",
    float: "a number",
    _stages: f"a whole number, or {ALL_STAGES}",
}
RECIPES = (NO_RECIPE, TRANSFER, LIPNET)


def recipe_phases(recipe: str, learning_rate: float, epochs: int | None = None) -> tuple[str, ...]:
    """The texts of a recipe's phases; `epochs` are those that the user gives.

    `lipnet` is the reported training of the simplified LipNet: Adam, a constant rate for 30 epochs and then one that
    falls by a factor of exp(-0.1) in each.

    `transfer` is the reported transfer learning: 20 epochs of the head alone, then 5 of the last three layers, with
    plain SGD. The second learning rate was not reported; that of the first phase would destroy the layers' weights.
    """
    if recipe == NO_RECIPE:
        return ()
    if recipe == LIPNET:  # the first step down comes one epoch after the hold
        decay = f"schedule=step hold-epochs=29 decay-epochs=1 decay-rate={math.exp(-0.1):.6f}"
        return (f"epochs={epochs or LIPNET_EPOCHS} optimizer=adam {decay}",)
    return ("epochs=20 stages=1 optimizer=sgd", f"epochs=5 stages=3 optimizer=sgd learning-rate={learning_rate / 10!r}")

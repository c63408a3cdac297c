"""What a clip classifier starts from: public weights, or a checkpoint of ours, of the same model.

The head goes with its classes. Of a checkpoint with the same classes it is kept, of any other it is made anew (`auto`);
`keep` insists that it fits, `reset` makes it anew whatever it is. The options of the model must be those of the
weights, even where shapes do not tell them apart; for public ones, others may be chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from torch import Tensor, nn

from classifiers.clip_models.base import HEAD, ClipModel
from classifiers.clip_models.registry import clip_model_config
from classifiers.weights.checkpoint import (
    CLIP,
    CONFIG_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    CheckpointError,
    load_weights,
    read_checkpoint,
)
from classifiers.weights.published_clips import PublishedWeightsError, fill, published_options
from cluster.storage import files
from cluster.storage.redaction import redacted
from cluster.training.published_weights import read_published
from schemas.errors import InputError, examples

AUTO, KEEP, RESET = HEADS = ("auto", "keep", "reset")
# Options that the same weights go with, whatever they are; all others say what the weights mean.
OF_THE_CLIPS = frozenset({"frames", "height", "width", "fps", "dropout"})
SUBJECT = "checkpoint"


class InitialWeightsError(InputError, ValueError):
    """Weights that a training cannot start from; the message says why."""


@dataclass(frozen=True)
class InitialWeights:
    """Those at `uri`, and what becomes of their head: one of `HEADS`."""

    uri: str
    head: str = AUTO

    def fill(self, model: ClipModel, name: str, class_names: Sequence[str]) -> None:
        """Fill `model`, which is called `name` and is to tell `class_names` apart.

        Raises:
            InitialWeightsError: for weights of another model or of other options, or a head that does not fit.
            cluster.storage.files.StorageError, OSError: where they cannot be read.
        """
        try:
            if files.exists(files.join(self.uri, CONFIG_FILE)):
                self._fill_from_checkpoint(model, name, class_names)
            else:
                arrays = read_published(self.uri)
                _check_options(model, name, published_options(name, arrays))
                fill(model, arrays, fresh_head=self.head != KEEP)
        except ValueError as error:
            raise InitialWeightsError(f"--init-weights {redacted(self.uri)}: {error}") from error

    def _fill_from_checkpoint(self, model: ClipModel, name: str, class_names: Sequence[str]) -> None:
        contents = {file: files.read_bytes(files.join(self.uri, file)) for file in (WEIGHTS_FILE, CONFIG_FILE)}
        checkpoint = read_checkpoint(contents)
        config = checkpoint.config
        if config.level != CLIP or config.model != name:
            raise CheckpointError(SUBJECT, [f"it is of model {config.model!r}, and {name!r} is to be trained"])
        theirs, ours = asdict(clip_model_config(name, config.options)), asdict(model.config)
        others = [
            f"its model has option {key}={theirs[key]}, not {value}"
            for key, value in ours.items()
            if key not in OF_THE_CLIPS and theirs[key] != value
        ]
        if others:
            raise CheckpointError(SUBJECT, others)
        load_weights(model, with_head(checkpoint, model.head, class_names, self.head))


def with_head(checkpoint: Checkpoint, fresh: nn.Module, class_names: Sequence[str], wanted: str) -> Checkpoint:
    """The checkpoint with its own head or the `fresh` one, as is `wanted`.

    Raises:
        CheckpointError: if it is to be kept, and is of other classes than `class_names`.
    """
    is_same = checkpoint.config.class_names == tuple(class_names)
    if wanted == KEEP and not is_same:
        raise CheckpointError(SUBJECT, [_difference(checkpoint.config.class_names, class_names)])
    return checkpoint if is_same and wanted != RESET else replace(checkpoint, state=new_head(checkpoint.state, fresh))


def new_head(state: Mapping[str, Tensor], fresh: nn.Module) -> dict[str, Tensor]:
    """Weights of a model, those of its head replaced."""
    trunk = {key: value for key, value in state.items() if not key.startswith(f"{HEAD}.")}
    return {**trunk, **{f"{HEAD}.{key}": value for key, value in fresh.state_dict().items()}}


def _check_options(model: ClipModel, name: str, wanted: Mapping[str, object]) -> None:
    """Refuse options that nobody has chosen where public weights want others, and would mean something else."""
    defaults = clip_model_config(name)
    problems = [
        f"{key}={value}, and not the default {getattr(defaults, key)}"
        for key, value in wanted.items()
        if getattr(model.config, key) == getattr(defaults, key) != value
    ]
    if problems:
        raise PublishedWeightsError(f"such weights want --model-options {'; '.join(problems)}")


def _difference(theirs: Sequence[str], ours: Sequence[str]) -> str:
    parts = [
        f"{word} {examples(names)}"
        for word, names in (
            ("without", [name for name in ours if name not in theirs]),
            ("with", [name for name in theirs if name not in ours]),
        )
        if names
    ] or ["in another order"]
    return f"its head tells other classes apart, {' and '.join(parts)}: leave --init-head out for a new head"

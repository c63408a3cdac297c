"""Initial weights of a clip classifier: public weights, or a checkpoint of ours, of the same model or its base network.

By `auto`, the head of a checkpoint with the same classes is kept, and any other gets a new one; `keep` requires that it
fits, `reset` always makes a new one. The options of the model must equal those of the weights, even if the shapes would
fit; with public weights, other options may be chosen. Of a base network (`ClipModel.base`), what fits is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Tensor, nn

from classifiers.clip_models.base import HEAD, ClipModel
from classifiers.clip_models.registry import clip_model_config, clip_model_entry
from classifiers.weights.checkpoint import (
    CLIP,
    CONFIG_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    CheckpointConfig,
    CheckpointError,
    load_weights,
    read_checkpoint,
)
from classifiers.weights.published_clips import PublishedWeightsError, fill, published_options
from cluster.storage import files
from cluster.storage.redaction import redacted_uri
from cluster.training.option_groups import AUTO_HEAD, KEEP_HEAD, RESET_HEAD
from cluster.training.published_weights import read_published
from schemas.budget import weights_budget
from schemas.errors import InputError, examples

# Options that may differ from those of the weights; all others determine what the weights mean.
FREE_OPTIONS = frozenset({"frames", "height", "width", "fps", "dropout"})
SUBJECT = "checkpoint"


class InitialWeightsError(InputError, ValueError):
    """Unsuitable initial weights; the message says why."""


@dataclass(frozen=True)
class InitialWeights:
    """The weights at `uri`; `head`, one of `option_groups.HEADS`, says whether their head is kept."""

    uri: str
    head: str = AUTO_HEAD

    def fill(self, model: ClipModel, name: str, class_names: Sequence[str]) -> tuple[str, ...]:
        """Load the weights into `model`, a `name` whose classes are `class_names`.

        Returns the keys of the model that weights of its base network cannot fill.

        Raises:
            InitialWeightsError: for weights of another model or other options, or an unsuitable head.
            cluster.storage.files.StorageError, OSError: for unreadable weights.
        """
        try:
            if files.exists(files.join(self.uri, CONFIG_FILE)):
                return self._fill_from_checkpoint(model, name, class_names)
            arrays = read_published(self.uri, weights_budget(model))
            check_required_options(model.config, clip_model_config(name), published_options(name, arrays))
            return fill(model, arrays, fresh_head=self.head != KEEP_HEAD).left_out
        except ValueError as error:
            raise InitialWeightsError(f"--init-weights {redacted_uri(self.uri)}: {error}") from error

    def _fill_from_checkpoint(self, model: ClipModel, name: str, class_names: Sequence[str]) -> tuple[str, ...]:
        contents = {file: files.read_bytes(files.join(self.uri, file)) for file in (WEIGHTS_FILE, CONFIG_FILE)}
        checkpoint = read_checkpoint(contents)
        config = checkpoint.config
        base = _base_of(model, config)
        if base is None and (config.level != CLIP or config.model != name):
            raise CheckpointError(
                SUBJECT, [f"it is of model {config.model!r}, not of {name!r}, which is to be trained"]
            )
        expected = model.config if base is None else base.config
        check_same_options(clip_model_config(config.model, config.options), expected, FREE_OPTIONS)
        checkpoint = with_head(checkpoint, model.head, class_names, self.head)
        if base is not None:
            return fill(model, checkpoint.state).left_out
        load_weights(model, checkpoint)
        return ()


def _base_of(model: ClipModel, config: CheckpointConfig) -> ClipModel | None:
    """The base network of `model`, if a checkpoint with this configuration is of it."""
    base = model.base()
    is_base = base is not None and config.level == CLIP and clip_model_entry(config.model).model is type(base)
    return base if is_base else None


def with_head(checkpoint: Checkpoint, fresh: nn.Module, class_names: Sequence[str], head: str) -> Checkpoint:
    """The checkpoint with its own head or the `fresh` one, by `head`, one of `option_groups.HEADS`.

    Raises:
        CheckpointError: for `keep`, if its classes are not `class_names`.
    """
    is_same = checkpoint.config.class_names == tuple(class_names)
    if head == KEEP_HEAD and not is_same:
        raise CheckpointError(SUBJECT, [_difference(checkpoint.config.class_names, class_names)])
    if is_same and head != RESET_HEAD:
        return checkpoint
    return replace(checkpoint, state=new_head(checkpoint.state, fresh))


def new_head(state: Mapping[str, Tensor], fresh: nn.Module) -> dict[str, Tensor]:
    """The weights of a model with a `fresh` head."""
    trunk = {key: value for key, value in state.items() if not key.startswith(f"{HEAD}.")}
    return {**trunk, **{f"{HEAD}.{key}": value for key, value in fresh.state_dict().items()}}


def check_same_options(theirs: Any, ours: Any, free: Collection[str]) -> None:
    """Refuse a checkpoint whose model has other options than ours, but for those that are `free`."""
    found = asdict(theirs)
    problems = [
        f"its model has option {key}={found[key]}, not {value}"
        for key, value in asdict(ours).items()
        if key not in free and found[key] != value
    ]
    if problems:
        raise CheckpointError(SUBJECT, problems)


def check_required_options(ours: Any, defaults: Any, required: Mapping[str, object]) -> None:
    """Refuse default options where public weights require other values; options that were chosen are accepted."""
    problems = [
        f"{key}={value}, not the default {getattr(defaults, key)}"
        for key, value in required.items()
        if getattr(ours, key) == getattr(defaults, key) != value
    ]
    if problems:
        raise PublishedWeightsError(f"these weights need --model-options {'; '.join(problems)}")


def _difference(theirs: Sequence[str], ours: Sequence[str]) -> str:
    parts = [
        f"{word} {examples(names)}"
        for word, names in (
            ("without", [name for name in ours if name not in theirs]),
            ("with", [name for name in theirs if name not in ours]),
        )
        if names
    ] or ["in another order"]
    return f"its head has other classes, {' and '.join(parts)}: leave --init-head out for a new head"

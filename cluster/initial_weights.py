"""What a clip classifier starts from: public weights, or a checkpoint of ours, of the same model.

The head goes with its classes. Of a checkpoint with the same classes it is kept, of any other it is made anew (`auto`);
`keep` insists that it fits, `reset` makes it anew whatever it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from classifiers.checkpoint import CLIP, CONFIG_FILE, WEIGHTS_FILE, CheckpointError, load_weights, read_checkpoint
from classifiers.clip_model import HEAD, ClipModel
from classifiers.published_clips import fill
from cluster import storage
from cluster.clip_weights import read_published

AUTO, KEEP, RESET = HEADS = ("auto", "keep", "reset")
EXAMPLES = 5  # that an error names


class InitialWeightsError(ValueError):
    """Weights that a training cannot start from; the message says why."""


@dataclass(frozen=True)
class InitialWeights:
    """Those at `uri`, and what becomes of their head: one of `HEADS`."""

    uri: str
    head: str = AUTO

    def fill(self, model: ClipModel, name: str, class_names: Sequence[str]) -> None:
        """Fill `model`, which is called `name` and is to tell `class_names` apart.

        Raises:
            InitialWeightsError: for weights of another model, or a head that does not fit.
            cluster.storage.StorageError, OSError: where they cannot be read.
        """
        try:
            if storage.exists(storage.join(self.uri, CONFIG_FILE)):
                self._fill_from_checkpoint(model, name, class_names)
            else:
                fill(model, read_published(self.uri), fresh_head=self.head != KEEP)
        except ValueError as error:
            raise InitialWeightsError(f"--init-weights {self.uri}: {error}") from error

    def _fill_from_checkpoint(self, model: ClipModel, name: str, class_names: Sequence[str]) -> None:
        files = {file: storage.read_bytes(storage.join(self.uri, file)) for file in (WEIGHTS_FILE, CONFIG_FILE)}
        checkpoint = read_checkpoint(files, self.uri)
        config = checkpoint.config
        if config.level != CLIP or config.model != name:
            raise CheckpointError(self.uri, [f"it is of model {config.model!r}, and {name!r} is to be trained"])
        is_same = config.class_names == tuple(class_names)
        if self.head == KEEP and not is_same:
            raise CheckpointError(self.uri, [_difference(config.class_names, class_names)])
        if self.head == RESET or not is_same:
            fresh = {f"{HEAD}.{key}": value for key, value in model.head.state_dict().items()}
            trunk = {key: value for key, value in checkpoint.state.items() if not key.startswith(f"{HEAD}.")}
            checkpoint = replace(checkpoint, state={**trunk, **fresh})
        load_weights(model, checkpoint, self.uri)


def _difference(theirs: Sequence[str], ours: Sequence[str]) -> str:
    parts = [
        f"{word} {', '.join(map(repr, names[:EXAMPLES]))}{', …' if len(names) > EXAMPLES else ''}"
        for word, names in (
            ("without", [name for name in ours if name not in theirs]),
            ("with", [name for name in theirs if name not in ours]),
        )
        if names
    ] or ["in another order"]
    return f"its head tells other classes apart, {' and '.join(parts)}: leave --init-head out for a new head"

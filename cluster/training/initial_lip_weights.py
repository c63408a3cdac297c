"""Initial weights of a lip reader: a checkpoint of the same model, or public weights.

By `auto`, the head of a checkpoint with the same alphabet is kept, and any other gets a new one; `keep` requires the
same alphabet, `reset` always makes a new head. So a network learns another language, or another speaker. Public weights
name no alphabet: `keep` requires as many outputs. The options of the model must equal those of the weights.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from classifiers.lip_models.base import LipModel
from classifiers.lip_models.registry import lip_model_config
from classifiers.text.alphabet import Alphabet, check_same_alphabet
from classifiers.weights.checkpoint import (
    CONFIG_FILE,
    LIP,
    WEIGHTS_FILE,
    CheckpointConfig,
    CheckpointError,
    load_weights,
    read_checkpoint,
    read_config,
)
from classifiers.weights.published_clips import fill, layout_of
from cluster.storage import files
from cluster.storage.redaction import redacted_uri
from cluster.training.initial_weights import (
    SUBJECT,
    InitialWeightsError,
    check_required_options,
    check_same_options,
    new_head,
)
from cluster.training.option_groups import AUTO_HEAD, KEEP_HEAD, RESET_HEAD
from cluster.training.published_weights import read_published
from schemas.budget import weights_budget

FREE_OPTIONS = frozenset({"fps", "dropout"})

logger = logging.getLogger("framemill")


@dataclass(frozen=True)
class InitialLipWeights:
    """The weights at `uri`; `head`, one of `option_groups.HEADS`, says whether their head is kept."""

    uri: str
    head: str = AUTO_HEAD

    def alphabet(self) -> Alphabet | None:
        """The alphabet of a checkpoint; None for public weights.

        Raises:
            InitialWeightsError: for a checkpoint that is no lip reader's.
            cluster.storage.files.StorageError, OSError: for unreadable weights.
        """
        try:
            if not files.exists(files.join(self.uri, CONFIG_FILE)):
                return None
            config = read_config(files.read_bytes(files.join(self.uri, CONFIG_FILE)))
            _check_kind(config, config.model)
            return config.alphabet
        except ValueError as error:
            raise self._error(error) from error

    def fill(self, model: LipModel, name: str, alphabet: Alphabet) -> bool:
        """Load the weights into `model`, a `name` that reads `alphabet`; whether its head is theirs.

        Raises:
            InitialWeightsError: for weights of another model or other options, or an unsuitable head.
            cluster.storage.files.StorageError, OSError: for unreadable weights.
        """
        try:
            if files.exists(files.join(self.uri, CONFIG_FILE)):
                return self._fill_from_checkpoint(model, name, alphabet)
            arrays = read_published(self.uri, weights_budget(model))
            check_required_options(model.config, lip_model_config(name), dict(layout_of(model, arrays).options))
            fill(model, arrays, fresh_head=self.head != KEEP_HEAD)
            return self.head == KEEP_HEAD
        except ValueError as error:
            raise self._error(error) from error

    def _fill_from_checkpoint(self, model: LipModel, name: str, alphabet: Alphabet) -> bool:
        contents = {file: files.read_bytes(files.join(self.uri, file)) for file in (WEIGHTS_FILE, CONFIG_FILE)}
        checkpoint = read_checkpoint(contents)
        config = checkpoint.config
        _check_kind(config, name)
        check_same_options(lip_model_config(name, config.options), model.config, FREE_OPTIONS)
        assert config.alphabet is not None
        if self.head == KEEP_HEAD:
            check_same_alphabet(alphabet, config.alphabet)
        is_kept = config.alphabet == alphabet and self.head != RESET_HEAD
        if not is_kept:
            checkpoint = replace(checkpoint, state=new_head(checkpoint.state, model.head))
        load_weights(model, checkpoint)
        return is_kept

    def _error(self, error: ValueError) -> InitialWeightsError:
        return InitialWeightsError(f"--init-weights {redacted_uri(self.uri)}: {error}")


def _check_kind(config: CheckpointConfig, name: str) -> None:
    if config.level != LIP or config.model != name:
        raise CheckpointError(SUBJECT, [f"it is of model {config.model!r}, not of a lip reader {name!r}"])

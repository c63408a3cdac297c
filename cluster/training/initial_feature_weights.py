"""Initial weights of a feature classifier: a checkpoint of ours, or a dense model saved by Keras (`.h5`).

Model and options must equal those of the weights, except for dropout, and the features must have the checkpoint's
fingerprint; Keras files have none. A checkpoint's head is kept for the same classes, as in
`cluster.training.initial_weights`; that of a Keras file, which does not name its classes, for the same number of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from classifiers.feature_models.base import FeatureModel
from classifiers.feature_models.registry import model_config
from classifiers.weights.checkpoint import (
    CLIP,
    CONFIG_FILE,
    WEIGHTS_FILE,
    CheckpointError,
    check_fingerprint,
    load_weights,
    read_checkpoint,
)
from classifiers.weights.keras_files import KerasFileError, load_keras_file
from cluster.storage import files
from cluster.storage.files import on_disk
from cluster.storage.redaction import redacted_uri
from cluster.training.initial_weights import SUBJECT, InitialWeightsError, new_head, with_head
from cluster.training.option_groups import KEEP_HEAD, RESET_HEAD
from extractors.weights.content import foreign_content


@dataclass(frozen=True, kw_only=True)
class InitialFeatureWeights:
    """The weights at `uri` for model `name` with `options`; `head` is one of `option_groups.HEADS`."""

    uri: str
    head: str
    name: str
    options: Mapping[str, Any]
    fingerprint: Mapping[str, str]

    def fill(self, model: FeatureModel, class_names: Sequence[str]) -> None:
        """Load the weights into `model`, whose classes are `class_names`.

        Raises:
            InitialWeightsError: for weights of another model, other options or other features, or an unsuitable head.
            cluster.storage.files.StorageError, OSError: for unreadable weights.
        """
        try:
            if files.exists(files.join(self.uri, CONFIG_FILE)):
                self._fill_from_checkpoint(model, class_names)
            else:
                self._fill_from_keras(model)
        except ValueError as error:
            raise InitialWeightsError(f"--init-weights {redacted_uri(self.uri)}: {error}") from error

    def _fill_from_checkpoint(self, model: FeatureModel, class_names: Sequence[str]) -> None:
        contents = {file: files.read_bytes(files.join(self.uri, file)) for file in (WEIGHTS_FILE, CONFIG_FILE)}
        checkpoint = read_checkpoint(contents)
        config = checkpoint.config
        if config.level == CLIP or config.model != self.name:
            raise CheckpointError(
                SUBJECT, [f"it is of model {config.model!r}, not of {self.name!r}, which is to be trained"]
            )
        theirs = asdict(model_config(self.name, config.options))
        others = [
            f"its model has option {key}={theirs[key]}, not {value}"
            for key, value in self.options.items()
            if not key.endswith("dropout") and theirs[key] != value
        ]
        if others:
            raise CheckpointError(SUBJECT, others)
        check_fingerprint(config, self.fingerprint, "--features")
        load_weights(model, with_head(checkpoint, model.head, class_names, self.head))

    def _fill_from_keras(self, model: FeatureModel) -> None:
        with on_disk(self.uri) as path:
            problem = foreign_content(Path(path))
            if problem:
                raise KerasFileError(f"the file {problem}")
            found = load_keras_file(
                Path(path), name=self.name, rgb_dim=model.rgb_dim, audio_dim=model.audio_dim, options=self.options
            )
        is_same = found.num_classes == model.num_classes
        if self.head == KEEP_HEAD and not is_same:
            raise KerasFileError(f"its head has {found.num_classes} classes, expected {model.num_classes}")
        state = found.state_dict()
        model.load_state_dict(state if is_same and self.head != RESET_HEAD else new_head(state, model.head))

"""The kinds of training data by name: features and clips; each module is imported when asked for."""

from __future__ import annotations

from importlib import import_module

from cluster.training.config import CLIPS, FEATURES, TrainingSettings
from cluster.training.data import TrainingData

# Modules that have a `load(settings)`.
KINDS = {FEATURES: "cluster.training.feature_data", CLIPS: "cluster.training.clip_data"}


def load_training_data(settings: TrainingSettings) -> TrainingData:
    """Look at all that the options name, choose classes and share out the videos.

    Raises:
        FeatureFileError, ClipDataError, ClassNamesError, ClassChoiceError, SplitError: for data that cannot be used.
        cluster.storage.files.StorageError, OSError: where they cannot be read.
    """
    data: TrainingData = import_module(KINDS[settings.kind]).load(settings)
    return data

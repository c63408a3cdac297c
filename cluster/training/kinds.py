"""Kinds of training data by name: features, clips and lips; their modules are imported on demand."""

from __future__ import annotations

from importlib import import_module

from cluster.training.config import CLIPS, FEATURES, LIPS, TrainingSettings
from cluster.training.data import TrainingData

# Modules with a `load(settings)`.
KINDS = {
    FEATURES: "cluster.training.feature_data",
    CLIPS: "cluster.training.clip_data",
    LIPS: "cluster.training.lip_data",
}


def load_training_data(settings: TrainingSettings) -> TrainingData:
    """Open the data that the options name, choose classes and split the videos.

    Raises:
        FeatureFileError, ClipDataError, ClassNamesError, ClassChoiceError, SplitError: for unusable data.
        cluster.storage.files.StorageError, OSError: for unreadable data.
    """
    data: TrainingData = import_module(KINDS[settings.kind]).load(settings)
    return data

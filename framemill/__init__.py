"""Framemill as a library: features of videos, tables of them, and classifiers.

    import framemill

    framemill.extract("videos/", "features/")               # decode, embed, write Parquet shards
    table = framemill.read("features/")                     # one row per video, as pandas
    framemill.load_classifier("classifier/").predict(table)

This package is what programs import; all others of the project may change in any release. Videos, datasets, weights
and options that cannot be used raise `InputError`, whose text says what is wrong and what to do; a video that cannot be
read raises `VideoError`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framemill.catalogue import Model as Model
    from framemill.catalogue import models as models
    from framemill.classifiers import Classifier as Classifier
    from framemill.classifiers import load_classifier as load_classifier
    from framemill.embedding import FrameEmbedder as FrameEmbedder
    from framemill.embedding import VideoFeatures as VideoFeatures
    from framemill.extraction import Extraction as Extraction
    from framemill.extraction import extract as extract
    from framemill.frames import Frame as Frame
    from framemill.frames import sample as sample
    from framemill.tables import read as read
    from schemas.errors import InputError as InputError
    from schemas.outcomes import VideoError as VideoError

__version__ = "0.1.0"

# Where each name is defined: imported at its first use, as some of them bring torch or Ray.
_HOMES = {
    "Classifier": "framemill.classifiers",
    "Extraction": "framemill.extraction",
    "Frame": "framemill.frames",
    "FrameEmbedder": "framemill.embedding",
    "InputError": "schemas.errors",
    "Model": "framemill.catalogue",
    "VideoError": "schemas.outcomes",
    "VideoFeatures": "framemill.embedding",
    "extract": "framemill.extraction",
    "load_classifier": "framemill.classifiers",
    "models": "framemill.catalogue",
    "read": "framemill.tables",
    "sample": "framemill.frames",
}
_PACKAGES = ("classifiers", "cluster", "extractors", "jobs", "schemas")
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "sklearn":
        return import_module("framemill.sklearn")
    if name not in _HOMES:
        raise AttributeError(f"module 'framemill' has no attribute {name!r}")
    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        found = sys.modules.get(package)
        if package not in _PACKAGES or found is None:
            raise
        message = f"{found.__file__} hides the package {package!r} that Framemill needs: rename it, or move it away"
        raise ImportError(message) from error


def __dir__() -> list[str]:
    return sorted(__all__)

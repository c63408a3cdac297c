"""Sizes of the networks' inputs and outputs, for whoever prepares or stores them and loads no network."""

from __future__ import annotations

IMAGE_SIZE = 299  # height and width of Inception's input
FEATURE_DIM = 2048  # width of Inception's features
EMBEDDING_DIM = 128  # width of VGGish's
NUM_FRAMES = 96  # of a log-mel example
NUM_BANDS = 64
OUTPUT_DIMS = {FEATURE_DIM: 1024, EMBEDDING_DIM: 128}  # components of a PCA, by the width of the features

"""What a training chooses by name: models, tasks, optimizers, precisions, measures.

Importing it brings no torch, so that jobs print their help and check names at once. Its test compares the names of
models, optimizers and precisions with what has them.
"""

from __future__ import annotations

FEATURE_MODELS = (
    *("attention-pooling", "bidirectional-gru", "bidirectional-lstm", "dbof"),
    *(f"dense-{layers}" for layers in range(1, 8)),
    *("gru", "logistic", "lstm", "mixture-of-experts", "netvlad", "nextvlad"),
)
CLIP_MODELS = (
    *("c3d", "fast3d-18", "i3d", "i3d-flow", "i3d-two-stream", "inception-v3", "mc3-18"),
    *(f"movinet-a{size}{kind}" for size in range(6) for kind in ("", "-stream")),
    *("p3d-131", "p3d-199", "p3d-63", "r2plus1d-18", "r2plus1d-34", "r3d-18", "s3d"),
)
NSFW, PACKAGE = "inception-nsfw", ".tgz"  # a published classifier, and its file (`weights.published_frames`)
LIP_MODELS = ("lipnet", "lipnet-keras")
TASKS = SINGLE_LABEL, MULTI_LABEL = ("single-label", "multi-label")
TRANSCRIPTION = "transcription"  # the task of lip readers, which no other model has
OPTIMIZERS = ("rmsprop", "adam", "adamw", "sgd")
PRECISIONS = FP32, BF16 = ("fp32", "bf16")
# The metrics that may decide which epoch is best: 1 if more is better, -1 if less is. The last two are of lip readers.
MONITORS = {
    "loss": -1,
    "hit_at_one": 1,
    "gap": 1,
    "mean_average_precision": 1,
    "mean_average_precision_at_10": 1,
    "top_5_accuracy": 1,
    "character_error_rate": -1,
    (WORD_ERROR_RATE := "word_error_rate"): -1,
}
LIP_MONITORS = ("loss", "character_error_rate", WORD_ERROR_RATE)


def is_published(checkpoint: str) -> bool:
    """Whether it names a published classifier of pictures or its file, and not the folder of a checkpoint."""
    return checkpoint == NSFW or checkpoint.lower().endswith(PACKAGE)

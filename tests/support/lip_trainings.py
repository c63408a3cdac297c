"""Small data sets of spoken texts that can be learnt from, and trainings on them.

In the fixed place of the mouth, each character has a brightness of its own for some frames; a space is dark.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cluster.training.config import TrainingOptions
from tests.support.talking import RATE, write_frames

LEVELS = {"a": 60, "b": 120, "c": 180, "d": 240, " ": 10}
FRAMES_EACH = 3
TEXTS = ("ab c", "b a", "c ab", "a b", "cab", "bac")
NARROW = ("width_factor=0.05", "dropout=0")


def mouths(text: str, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Frames, 288 x 360, that say a text."""
    rng = np.random.default_rng(seed)
    frames = []
    for character in text:
        for _ in range(FRAMES_EACH):
            frame = np.full((288, 360, 3), 128, np.uint8)
            noise = rng.normal(0, 8, (23, 70, 1)).repeat(2, 0).repeat(2, 1)
            frame[190:236, 80:220] = np.clip(LEVELS[character] + noise, 0, 255).astype(np.uint8)
            frame[200:220, 100:120] = 255 - LEVELS[character]
            frames.append(frame)
    return frames


def word_times(text: str) -> list[list[Any]]:
    """The column words of a manifest, for a text that `mouths` says."""
    words, start = [], 0
    for word in text.split(" "):
        stop = start + len(word)
        words.append([word, start * FRAMES_EACH / RATE, stop * FRAMES_EACH / RATE])
        start = stop + 1
    return words


def write_manifest(folder: Path, texts: Sequence[str] = TEXTS, **columns: Mapping[int, Any]) -> Path:
    """A manifest of a video for each text, the last third of them for validation; `columns` change cells of rows."""
    rows = []
    for number, text in enumerate(texts):
        path = write_frames(folder / f"{number}.mp4", mouths(text, number))
        split = "train" if number < len(texts) * 2 // 3 else "validation"
        row = {"id": f"v{number}", "uri": str(path), "text": text, "split": split, "words": word_times(text)}
        rows.append(row | {name: cells[number] for name, cells in columns.items() if number in cells})
    manifest = folder / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return manifest


def lip_config(manifest: Path, output: Path, **options: Any) -> TrainingOptions:
    """A short training of a narrow lip reader in this process."""
    defaults: dict[str, Any] = {
        "model": "lipnet-keras",
        "model_options": NARROW,
        "crop": "fixed",
        "alphabet": "texts",
        "epochs": 2,
        "batch_size": 2,
        "engine": "local",
        "cpus_per_worker": 1,
        "decoders": 1,
        "optimizer": "adam",
        "learning_rate": 3e-3,
        "without_pictures": True,
    }
    return TrainingOptions.of(output=str(output), videos=str(manifest), **{**defaults, **options})

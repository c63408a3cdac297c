"""How fast the jobs train and score clip classifiers from videos, beside a plain torch loop over the same decoder.

    python benchmarks/clips.py [--videos 192] [--rounds 3] [--model r3d-18] [--json FILE]

Videos are 5 s of 320 x 240 at 25 frames/s, a few different ones and links to them. All decode the same clips of them and
compute the same with the same small network, in batches of `BATCH`; they take turns on all cores, and medians count.

training, ours   jobs/train_classifier.py on Ray: the median epoch but the first, validation included
training, plain  a DataLoader of 1 and of as many workers as there are cores, forward, backward, optimizer; likewise
scoring, ours    jobs/score_videos.py on Ray: from its first label shard to its last, and all of it
scoring, plain   a DataLoader likewise, forward, probabilities of the best classes

The bound of scoring is what its stages alone allow: CPU seconds of decoding a clip and of the network, one thread each,
measured in the same run, of all cores' seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import cores, write_json
from classifiers.clip_model import ClipModel
from classifiers.clip_registry import build_clip_model
from extractors.clip_decode import decode_clips
from extractors.clip_sampling import ClipSampling
from schemas.clips import ClipFormat
from schemas.trainings import TrainingRecord
from tests.videos import Clip, write_video

ROOT = Path(__file__).resolve().parent.parent
CLASSES = ("first", "second")
OPTIONS = {"width_factor": 0.25}
BATCH = 8
EPOCHS = 4
VALIDATION_SHARE = 8  # of so many videos one is for validation
SEEDS = 4
VIDEO = {"frames": 125, "width": 320, "height": 240, "options": {"preset": "medium"}}
SHARDS = 8  # of labels, to see how they come
STAGE_CLIPS = 16


class Videos(Dataset[tuple[np.ndarray, int]]):
    """Clips as a user of torch would read them."""

    def __init__(self, folder: Path, form: ClipFormat) -> None:
        self._paths = sorted(folder.glob("*/*.mp4"))
        self._form = form

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, row: int) -> tuple[np.ndarray, int]:
        path = self._paths[row]
        (clip,) = decode_clips(str(path), self._form, ClipSampling())
        return clip, CLASSES.index(path.parent.name)


def write_videos(folder: Path, count: int) -> None:
    """`train/<class>/` and `val/<class>/`."""
    seeds = [write_video(folder / f"{seed}.mp4", Clip(rate=25 + seed, **VIDEO)) for seed in range(SEEDS)]
    for number in range(count):
        split = "val" if number % VALIDATION_SHARE == 0 else "train"
        place = folder / "videos" / split / CLASSES[number // SEEDS % len(CLASSES)]
        place.mkdir(parents=True, exist_ok=True)
        os.link(seeds[number % SEEDS], place / f"{number:05d}.mp4")


def model_of(name: str) -> ClipModel:
    """The network of all contenders."""
    torch.manual_seed(0)
    return build_clip_model(name, num_classes=len(CLASSES), options=OPTIONS)


def loader(folder: Path, model: ClipModel, workers: int, *, shuffle: bool) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches of uint8 clips, and their classes."""
    videos = Videos(folder, model.clip_format)
    return DataLoader(videos, BATCH, shuffle=shuffle, num_workers=workers, persistent_workers=True)


def plain_training(videos: Path, name: str, workers: int) -> Iterator[float]:
    """Seconds of each epoch."""
    model = model_of(name)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, foreach=True)
    training = loader(videos / "train", model, workers, shuffle=True)
    validation = loader(videos / "val", model, workers, shuffle=False)
    for _ in range(EPOCHS):
        started = time.perf_counter()
        model.train()
        for clips, targets in training:
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(model(clips), targets).backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            for clips, targets in validation:
                F.cross_entropy(model(clips), targets).item()
        yield time.perf_counter() - started


def plain_scoring(videos: Path, name: str, workers: int) -> Iterator[float]:
    """Seconds of a pass over all videos, after one batch that starts everything."""
    model = model_of(name).eval()
    with torch.inference_mode():
        batches = iter(loader(videos, model, workers, shuffle=False))
        model(next(batches)[0])
        started = time.perf_counter()
        clips_seen = 0
        for clips, _ in batches:
            model(clips).softmax(dim=1).topk(len(CLASSES))
            clips_seen += len(clips)
        yield (time.perf_counter() - started) / clips_seen

"""One epoch of each kind of training on a device: means, frame features, clips, streams and lips.

The loop is `classifiers.training.loop`, with bf16 arithmetic where the device has it, on batches of noise in the host's
memory; gradients go through NCCL (gloo on a CPU) with one process, as those of several do.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.gpu_bench import Bench, Row
from benchmarks.gpu_clips import MEMORY_LIMIT_GIB, built, clips_for
from benchmarks.gpu_streams import LIP_CLASSES, SMALL_LIPS, SMALL_STREAM
from classifiers.clip_models.registry import build_clip_model
from classifiers.data.batches import ClipBatch, FeatureBatch
from classifiers.data.lip_batch import LipBatch
from classifiers.feature_models.registry import build_model
from classifiers.lip_models.registry import build_lip_model
from classifiers.text.alphabet import Alphabet
from classifiers.training.config import TrainingConfig
from classifiers.training.loop import Batch, Training
from classifiers.training.objective import Classification, Objective
from classifiers.training.phases import Phase
from classifiers.training.transcription import Transcription

BATCHES = 16
RGB, AUDIO, CLASSES, FEATURE_FRAMES = 1024, 128, 400, 120
CLIPS = 8
LIP_FRAMES, TEXT = 75, 20
ALPHABET = Alphabet((*"abcdefghijklmnopqrstuvwxyz", " "), LIP_CLASSES - 1)


@dataclass(frozen=True)
class Kind:
    """A model, its task, and a batch of noise for it."""

    model: Callable[[Bench], nn.Module]
    batch: Callable[[Bench, nn.Module], Batch]
    objective: Callable[[TrainingConfig], Objective]


def classification(config: TrainingConfig) -> Objective:
    """Of the classes of the models below."""
    return Classification("single-label", CLASSES, config)


def features(*, frames: int | None, videos: int) -> Callable[[Bench, nn.Module], Batch]:
    """Batches of means, or of `frames` grid points."""

    def batch(bench: Bench, model: nn.Module) -> FeatureBatch:
        count = 4 if bench.is_toy else videos
        shape = (count,) if frames is None else (count, frames)
        points = torch.full((count,), frames or FEATURE_FRAMES)
        rgb, audio = torch.randn(*shape, RGB), torch.randn(*shape, AUDIO)
        return FeatureBatch(rgb, audio, points, torch.randint(0, CLASSES, (count,)))

    return batch


def clips(bench: Bench, model: nn.Module) -> ClipBatch:
    """A batch of clips."""
    count = 2 if bench.is_toy else CLIPS
    return ClipBatch(clips_for(model, count, torch.device("cpu")), torch.randint(0, CLASSES, (count,)))  # type: ignore[arg-type]


def lips(bench: Bench, model: nn.Module) -> LipBatch:
    """A batch of clips of mouths."""
    count, frames, letters = (1, 10, 3) if bench.is_toy else (CLIPS, LIP_FRAMES, TEXT)
    look = model.lip_input
    crops = torch.rand(count, frames, look.height, look.width, look.channels)  # type: ignore[union-attr, arg-type]
    texts = torch.arange(letters).expand(count, letters)
    return LipBatch(crops, torch.full((count,), frames), texts, torch.full((count,), letters))


def feature_model(name: str) -> Callable[[Bench], nn.Module]:
    """A builder of a model of features."""
    return lambda bench: build_model(name, num_classes=CLASSES, rgb_dim=RGB, audio_dim=AUDIO)


KINDS: dict[str, Kind] = {
    "i3d": Kind(lambda bench: built("i3d", bench, CLASSES), clips, classification),
    "dense-5": Kind(feature_model("dense-5"), features(frames=None, videos=1024), classification),
    "netvlad": Kind(feature_model("netvlad"), features(frames=FEATURE_FRAMES, videos=64), classification),
    "r3d-18": Kind(lambda bench: built("r3d-18", bench, CLASSES), clips, classification),
    "movinet-a0-stream": Kind(
        lambda bench: build_clip_model(
            "movinet-a0-stream", num_classes=CLASSES, options=SMALL_STREAM if bench.is_toy else None
        ),
        clips,
        classification,
    ),
    "lipnet": Kind(
        lambda bench: build_lip_model(
            "lipnet", num_classes=ALPHABET.num_outputs, options=SMALL_LIPS if bench.is_toy else None
        ),
        lips,
        lambda config: Transcription(ALPHABET),
    ),
}


def epoch(bench: Bench, kind: Kind, precision: str) -> Row:
    """Items/s, peak memory and loss of an epoch."""
    config = TrainingConfig(phases=(Phase(epochs=1),), precision=precision)
    model = kind.model(bench)
    batch, count = kind.batch(bench, model), 1 if bench.is_toy else BATCHES
    devices = [bench.device] if bench.is_cuda else None
    training = Training(
        model,
        kind.objective(config),
        config,
        device=bench.device,
        wrap=lambda model: DistributedDataParallel(model, device_ids=devices),
    )
    if bench.is_cuda:
        torch.cuda.reset_peak_memory_stats(bench.device)
    started = time.perf_counter()
    record = training.run_epoch([batch] * count, [batch])
    bench.synchronize()
    seconds = time.perf_counter() - started
    row: Row = {"seconds": seconds, "items_per_second": count * len(batch) / seconds, "loss": record.training["loss"]}
    if bench.is_cuda:
        row["peak_gib"] = torch.cuda.max_memory_allocated(bench.device) / 2**30
        row["fits_24_gib"] = row["peak_gib"] <= MEMORY_LIMIT_GIB
    return row


def training_rows(bench: Bench) -> Iterator[Row]:
    """An epoch of each of `KINDS`, I3D first."""
    backend = "nccl" if bench.is_cuda else "gloo"
    with tempfile.TemporaryDirectory() as folder:
        meeting = Path(folder, "processes").as_uri()
        distributed.init_process_group(backend, init_method=meeting, rank=0, world_size=1)
        try:
            for name, kind in KINDS.items():
                row: Row = {"model": name, "backend": backend, "precision": "bf16" if bench.is_cuda else "fp32"}
                with torch.inference_mode(mode=False), torch.enable_grad():
                    row |= epoch(bench, kind, row["precision"])
                yield row
        finally:
            distributed.destroy_process_group()

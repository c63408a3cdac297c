"""Throughput on a device of the networks that keep a state or read lips: frames/s.

MoViNet stream networks watch one video or several at once, a chunk of frames at a time, as scoring does, or one frame,
as a live view does. Lip readers read clips of three seconds. Weights are random.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import torch

from benchmarks.gpu_bench import Bench, Row
from classifiers.clip_models.registry import build_clip_model
from classifiers.clip_models.streaming import StreamModel
from classifiers.lip_models.registry import build_lip_model, lip_model_names
from extractors.networks.precision import PRECISIONS

STREAMS = ("movinet-a0-stream", "movinet-a2-stream", "movinet-a5-stream")
SMALL_STREAM = {"frames": 12, "height": 32, "width": 40, "width_factor": 0.125, "dropout": 0.0}
CHUNK_FRAMES = 16
VIDEOS = (1, 16)
LIP_FRAMES = 75
LIP_CLIPS = (32, 1)
SMALL_LIPS = {"width_factor": 0.125}
LIP_CLASSES = 28

Call = Callable[[], object]


def arithmetic(bench: Bench, precision: str) -> AbstractContextManager[object]:
    """Autocast to the precision."""
    return torch.autocast(bench.device.type, PRECISIONS[precision], enabled=precision != "fp32")


def stream_call(bench: Bench, name: str, precision: str, videos: int, frames: int) -> Call:
    """A call that watches so many frames of each video, from the state that the last call left."""
    options = SMALL_STREAM if bench.is_toy else None
    model = build_clip_model(name, num_classes=600, options=options).eval()
    assert isinstance(model, StreamModel)
    model.to(bench.device)
    form = model.clip_format
    shape = (videos, frames, form.height, form.width, form.channels)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, device=bench.device)
    state = model.initial_state(videos)

    def run() -> None:
        nonlocal state
        with arithmetic(bench, precision):
            _, state = model.stream(pixels, state)

    return run


def stream_rows(bench: Bench) -> Iterator[Row]:
    """Frames/s of the stream networks."""
    for name in STREAMS[: 1 if bench.is_toy else None]:
        for precision in bench.precisions[:2][::-1]:
            for videos in VIDEOS:
                for frames in (CHUNK_FRAMES, 1):
                    row = {"model": name, "precision": precision, "videos": videos, "frames": frames}
                    call = partial(stream_call, bench, name, precision, videos, frames)
                    yield row | bench.figures(videos * frames, 0, call)


def lip_call(bench: Bench, name: str, precision: str, clips: int, frames: int) -> Call:
    """A call from crops in device memory to logits."""
    model = build_lip_model(name, num_classes=LIP_CLASSES, options=SMALL_LIPS if bench.is_toy else None).eval()
    model.to(bench.device)
    look = model.lip_input
    crops = torch.rand(clips, frames, look.height, look.width, look.channels, device=bench.device)
    lengths = torch.full((clips,), frames)

    def run() -> None:
        with arithmetic(bench, precision):
            model(crops, lengths)

    return run


def lip_rows(bench: Bench) -> Iterator[Row]:
    """Frames/s of the lip readers."""
    frames = 10 if bench.is_toy else LIP_FRAMES
    for name in lip_model_names():
        for precision in bench.precisions[:2][::-1]:
            for clips in LIP_CLIPS[-1:] if bench.is_toy else LIP_CLIPS:
                row = {"model": name, "precision": precision, "clips": clips, "frames": frames}
                yield row | bench.figures(clips * frames, 0, partial(lip_call, bench, name, precision, clips, frames))

"""Deployments as Ray Serve runs them, without Ray: batches equal single calls, and a decoder outlives its child."""

from __future__ import annotations

import asyncio
import os
import signal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from classifiers.inference.clip_classifier import TrainedClipClassifier
from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.inference.timelines import TimelineForm
from cluster.engines.base import WorkerLoss
from cluster.engines.tasks import Done, Task
from cluster.features.blocks import FeatureBlock
from cluster.features.steps import StepGrid
from cluster.scoring.clip_network import ClipNetwork
from cluster.scoring.feature_timelines import FeatureTimelines
from cluster.serving.decoding import StageWorker, Step
from cluster.serving.deployments import Classifier, Decoder, FrameFeatures, Networks
from cluster.serving.length import LengthStage
from schemas.videos import Video
from tests.support.checkpoints import trained
from tests.support.clips import trained_clips, write_clip_videos


def test_rows_of_several_calls_come_back_to_each():
    network = ClipNetwork(TrainedClipClassifier({"c": trained_clips(fps="5")}), "fp32")
    replica = Networks(lambda: {"network": network})
    form = network._trained.clips.format  # type: ignore[union-attr]
    generator = torch.Generator().manual_seed(0)
    shape = (form.frames, form.height, form.width, 3)
    chunks = [
        [torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).numpy() for _ in range(count)]
        for count in (2, 0, 1)
    ]
    together = replica._run([("network", chunk) for chunk in chunks])
    assert [len(vectors) for vectors in together] == [2, 0, 1]
    for chunk, vectors in zip(chunks, together, strict=True):
        np.testing.assert_array_equal(replica._run([("network", chunk)])[0], vectors)


def test_a_timeline_is_that_of_the_scorer():
    classifier = TrainedClassifier({"m": trained("dense-5")})
    form = TimelineForm(step_seconds=1.0, top_k=3, strong_score=0.4, is_single_label=True)
    timelines = FeatureTimelines(grid=StepGrid(fps=Fraction(1), hz=Fraction(1), window_seconds=Fraction(3)), form=form)
    rng = np.random.default_rng(0)
    rgb, audio = (rng.integers(0, 256, (3, width), dtype=np.uint8) for width in (classifier.config.rgb_dim, 128))
    gaps = ((1.0, 2.0),)
    found = Classifier(lambda: (classifier, timelines)).timeline_of(FrameFeatures(rgb, audio, gaps))
    block = FeatureBlock(0, rgb, audio, np.array([3]), np.array([0, 3]), gaps=[gaps])
    (expected,) = timelines.of_block(classifier, block, np.array([0]), [0])
    assert found.numbers.tolist() == [0, 2, 3]
    np.testing.assert_array_equal(found.scores, expected.scores)


@pytest.mark.cuda
def test_timelines_are_made_on_a_gpu():
    classifier = TrainedClassifier({"m": trained("dense-5")})
    Classifier(lambda: (classifier, None))
    assert next(classifier.model.parameters()).is_cuda


def children(process: int) -> list[int]:
    """The child processes that decode."""
    found = [each for task in Path(f"/proc/{process}/task").glob("*/children") for each in task.read_text().split()]
    return [int(each) for each in found if b"task_process" in Path(f"/proc/{each}/cmdline").read_bytes()]


def test_a_decoder_outlives_a_child_that_is_killed(tmp_path):
    (path,) = write_clip_videos(tmp_path, 1, frames=25)
    step = Step("length", Task(Video("id", str(path))))

    async def scene() -> None:
        decoder = Decoder.__new__(Decoder)
        worker = StageWorker({"length": LengthStage(1 << 20, 60.0)}, 1 << 30, 30.0, 30.0)
        await decoder.__init__(lambda: worker, {})  # type: ignore[misc]
        assert isinstance(await decoder.carry_out(step), Done)
        before = set(children(os.getpid()))
        for child in before:
            os.kill(child, signal.SIGKILL)
        assert isinstance(await decoder.carry_out(step), WorkerLoss)
        assert isinstance(await decoder.carry_out(step), Done)
        assert before.isdisjoint(children(os.getpid()))
        folder = decoder._spool.folder
        decoder.__del__()  # as Serve does
        assert not folder.exists()

    asyncio.run(scene())

"""Work for engines: videos with the worker of an extraction, and portions of features with a scorer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Never

import pyarrow as pa
import pytest

from classifiers.weights.checkpoint import Checkpoint
from cluster.datasets.label_dataset import Labelled
from cluster.engines.deferred import DeferredEngine
from cluster.engines.video_worker import VideoWorker
from cluster.extraction.config import ExtractionOptions
from cluster.extraction.plan import make_plan, read_inputs
from cluster.scoring.clip_plan import make_clip_plan, read_clip_inputs
from cluster.scoring.clip_scorer import ClipScorer
from cluster.scoring.config import ScoringOptions
from cluster.scoring.feature_plan import make_feature_plan
from cluster.scoring.feature_scorer import FeatureScorer, Portion
from cluster.scoring.stream_scorer import StreamScorer
from cluster.scoring.window_scorer import WindowScorer
from extractors.extract import Extractor
from tests.support.checkpoints import trained, write_trained
from tests.support.clips import trained_clips, trained_stream
from tests.support.scoring import scoring_config, write_features

NO_LABELS = Labelled(pa.chunked_array([], pa.string()), pa.chunked_array([], pa.string()))


def begun_engines(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What engines are told to begin with from now on, which they do not."""
    calls: list[tuple[str, ...]] = []
    monkeypatch.setattr(DeferredEngine, "begin", lambda self, imports: calls.append(imports))
    return calls


def refuse_engine(*arguments: object) -> Never:
    """In place of `cluster.engines.deferred.make_engine`, where no engine may start."""
    raise AssertionError(f"an engine was started: {arguments}")


def video_worker(folder: Path, **options: object) -> VideoWorker[Extractor]:
    """The worker that the extraction job gives to its engine, with seeded weights."""
    weights = dict.fromkeys(("weights", "pca", "audio_weights", "audio_pca"), "random:0")
    given = ExtractionOptions.of(input=str(folder), output=f"{folder}/out", quiet=True, **weights, **options)
    return make_plan(given, read_inputs(given), on_gpu=False).worker


def clip_worker(folder: Path) -> VideoWorker[ClipScorer]:
    """The worker that the scoring job gives to its engine for the videos in a folder."""
    return _clip_worker(folder, embeddings=f"{folder}/embeddings")


def window_worker(folder: Path, **options: object) -> VideoWorker[WindowScorer]:
    """The one for their timelines, with segments of a second."""
    worker: VideoWorker[WindowScorer] = _clip_worker(folder, timeline=True, **options)
    worker.stage = replace(worker.stage, segment_seconds=1)
    return worker


def stream_worker(folder: Path, **options: object) -> VideoWorker[StreamScorer]:
    """Likewise by a stream network, in segments of two seconds."""
    worker: VideoWorker[StreamScorer] = _clip_worker(folder, trained_stream(), timeline=True, **options)
    worker.stage = replace(worker.stage, segment_seconds=2)
    return worker


def _clip_worker(folder: Path, checkpoint: Checkpoint | None = None, **options: object) -> VideoWorker[Any]:
    written = write_trained(folder / "checkpoint", checkpoint or trained_clips())
    given = ScoringOptions.of(videos=str(folder), checkpoint=(str(written),), labels=f"{folder}/labels", **options)
    return make_clip_plan(read_clip_inputs(given.settings()), on_gpu=False).worker


def portions_of_features(
    folder: Path, count: int, videos: int = 50, *, frames: int = 0, **options: object
) -> tuple[list[Portion], FeatureScorer]:
    """`count` portions of `videos` videos each, and what scores them."""
    shards = {f"{number:03d}": range(number * videos, (number + 1) * videos) for number in range(count)}
    features = write_features(folder / "features", shards, frames=frames)
    checkpoint = write_trained(folder / "checkpoint", trained("dense-6"))
    given = scoring_config(features, checkpoint, folder / "labels", rows_per_shard=videos, **options)
    plan = make_feature_plan(given.settings())
    return plan.portions(NO_LABELS), plan.scorer

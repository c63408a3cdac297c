"""The stage that labels videos: clips of a video → its best classes, and what the network sees before its head.

    file ─► clips (V views and crops) ─► network ─► (V, F + K) ─► best classes, mean features

What a video gets depends on its bytes alone, and neither on the engine nor on the videos beside it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from classifiers.inference.clip_classifier import ViewMean
from cluster.engines.stage import Network
from extractors.clips.decode import decode_clips
from extractors.clips.sampling import ClipSampling
from extractors.segments import Segment
from extractors.video.media import Source
from extractors.video.probe import probe
from schemas.clips import ClipFormat
from schemas.videos import Video


@dataclass(frozen=True)
class ClipScores:
    """What is said of one video.

    places, scores    (k,) its best classes and their probabilities, the surest first
    embedding         (F,) float32, where one was asked for
    num_frames        frames that were looked at, each once a view
    duration_seconds  of the part of the video that was asked for, by its header; 0 where no embedding was
    seconds_by_stage  CPU seconds, by stage
    """

    places: NDArray[np.intp]
    scores: NDArray[np.float32]
    embedding: NDArray[np.float32] | None
    num_frames: int
    duration_seconds: float
    seconds_by_stage: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class ClipScorer:
    """Decodes and labels, a video at a time. Cheap to pickle; `setup` builds the network, once per process."""

    network: Network
    views: ViewMean
    clip_format: ClipFormat
    sampling: ClipSampling
    top_k: int
    with_embedding: bool
    max_pixels: int

    @property
    def result_type(self) -> type[ClipScores]:
        """Of what it says of a video."""
        return ClipScores

    @property
    def networks(self) -> dict[str, Network]:
        """The one."""
        return {"network": self.network}

    def with_networks(self, networks: Mapping[str, Any]) -> ClipScorer:
        """The same with another in its place."""
        return replace(self, **networks)

    def setup(self) -> None:
        """Build the network."""
        self.network.setup()

    def __call__(
        self, source: Source, video: Video, segment: Segment | None = None, *, with_thumbnail: bool = False
    ) -> tuple[ClipScores, list[Segment]]:
        """What is said of the video as a whole: it has no segments."""
        started = time.thread_time()
        clips = decode_clips(
            source,
            self.clip_format,
            self.sampling,
            start_seconds=video.start_seconds,
            end_seconds=video.end_seconds,
            max_pixels=self.max_pixels,
        )
        duration_seconds = self._duration(source, video) if self.with_embedding else 0.0
        decoded = time.thread_time()
        said = self.network.embed_prepared(torch.from_numpy(clip) for clip in clips)  # (V, F + K)
        if not np.isfinite(said).all():
            raise FloatingPointError("the network says numbers that are not finite: take another --precision")
        places, scores = self.views.top_classes(said, self.top_k)
        seconds = {"decode": decoded - started, "network": time.thread_time() - decoded}
        embedding = self.views.embedding(said) if self.with_embedding else None
        num_frames = self.sampling.views * self.clip_format.frames
        return ClipScores(places, scores, embedding, num_frames, duration_seconds, seconds), []

    def _duration(self, source: Source, video: Video) -> float:
        if hasattr(source, "seek"):
            source.seek(0)
        whole_seconds = float(probe(source, max_pixels=self.max_pixels).duration_seconds)
        end = whole_seconds if video.end_seconds is None else min(whole_seconds, video.end_seconds)
        return max(end - video.start_seconds, 0.0)
